/** What every `BlobStore` must do, as tests. */
import { randomBytes } from 'node:crypto'
import type { TestFn } from 'ava'
import { collect } from '../log/record-chain.js'
import { livesOf, type StoreFactory } from './log-conformance.js'

export function blobConformance(test: TestFn<unknown>, name: string, make: StoreFactory): void {
  test(`${name}: a blob is read as it was written, also after a restart`, async t => {
    const subject = await make(t)
    const large = randomBytes(900_001)
    await subject.store.blobs.write('a/large', [
      large.subarray(0, 10),
      large.subarray(10, 700_000),
      large.subarray(700_000),
    ])
    await subject.store.blobs.write('a/empty', [])
    await subject.store.blobs.write('b', [Buffer.from('b')])
    for await (const { store } of livesOf(subject)) {
      const { blobs } = store
      t.deepEqual(Buffer.concat(await collect(blobs.read('a/large')!)), large)
      t.deepEqual(Buffer.concat(await collect(blobs.read('a/empty')!)), Buffer.alloc(0))
      t.is(blobs.read('a'), undefined)
      t.deepEqual(await blobs.names(''), ['a/empty', 'a/large', 'b'])
      t.deepEqual(await blobs.names('a/'), ['a/empty', 'a/large'])
    }
  })

  test(`${name}: any piece of a blob can be read at once, until the blob is removed`, async t => {
    const subject = await make(t)
    const large = randomBytes(300_007)
    // Pieces that come one by one, with a turn between them.
    async function* pieces() {
      for (let at = 0; at < large.length; at += 77_777) {
        await new Promise(resolve => setImmediate(resolve))
        yield large.subarray(at, at + 77_777)
      }
    }
    await subject.store.blobs.write('large', pieces())
    for await (const { store } of livesOf(subject)) {
      t.is(store.blobs.open('none'), undefined)
      const view = store.blobs.open('large')!
      t.is(view.sizeBytes, large.length)
      for (const [offset, size] of [
        [0, 1],
        [32_767, 2],
        [100_000, 50_000],
        [300_006, 10],
        [5, 1_000_000],
      ] as const) {
        const piece = view.read(offset, size)!
        t.true(piece.length >= 1 && piece.length <= size)
        t.deepEqual(piece, large.subarray(offset, offset + piece.length))
      }
      const copy: Buffer[] = []
      for (let at = 0; at < large.length; at += copy.at(-1)!.length) copy.push(view.read(at, 10_000)!)
      t.deepEqual(Buffer.concat(copy), large)
      t.throws(() => view.read(300_007, 1), { instanceOf: RangeError })
      t.throws(() => view.read(-1, 1), { instanceOf: RangeError })
    }
    const { blobs } = await subject.reopen()
    const view = blobs.open('large')!
    await blobs.remove('large')
    t.is(view.read(0, 1), undefined)
  })

  test(`${name}: a blob appears as a whole: nobody sees it before it is durable`, async t => {
    const { store } = await make(t)
    const writing = store.blobs.write('blob', [Buffer.from('one'), Buffer.from('two')])
    t.is(store.blobs.read('blob'), undefined)
    await writing
    t.is(Buffer.concat(await collect(store.blobs.read('blob')!)).toString(), 'onetwo')
  })

  test(`${name}: chunks are copied, so their buffer may be used again for the next`, async t => {
    const { store } = await make(t)
    const buffer = Buffer.alloc(4)
    function* chunks() {
      for (const letter of 'abc') yield buffer.fill(letter)
    }
    await store.blobs.write('blob', chunks())
    t.is(Buffer.concat(await collect(store.blobs.read('blob')!)).toString(), 'aaaabbbbcccc')
  })

  test(`${name}: a name is written once, and is free again when its blob is removed`, async t => {
    const subject = await make(t)
    let { blobs } = subject.store
    await blobs.write('blob', [Buffer.from('first')])
    await t.throwsAsync(blobs.write('blob', [Buffer.from('second')]), { instanceOf: TypeError })
    await blobs.remove('blob')
    await blobs.remove('blob')
    t.is(blobs.read('blob'), undefined)
    blobs = (await subject.reopen()).blobs
    t.deepEqual(await blobs.names(''), [])
    await blobs.write('blob', [Buffer.from('third')])
    blobs = (await subject.reopen()).blobs
    t.is(Buffer.concat(await collect(blobs.read('blob')!)).toString(), 'third')
  })

  test(`${name}: a write whose chunks fail leaves no blob behind`, async t => {
    const subject = await make(t)
    function* chunks() {
      yield Buffer.from('first')
      throw new Error('no more')
    }
    await t.throwsAsync(subject.store.blobs.write('blob', chunks()), { message: 'no more' })
    t.is(subject.store.blobs.read('blob'), undefined)
    const { blobs } = await subject.reopen()
    t.deepEqual(await blobs.names(''), [])
    await blobs.write('blob', [Buffer.from('again')])
    t.is(Buffer.concat(await collect(blobs.read('blob')!)).toString(), 'again')
  })

  test(`${name}: an empty or too long name is refused`, async t => {
    const { store } = await make(t)
    await t.throwsAsync(store.blobs.write('', []), { instanceOf: TypeError })
    await t.throwsAsync(store.blobs.write('a\0b', []), { instanceOf: TypeError })
    await t.throwsAsync(store.blobs.write('n'.repeat(513), []), { instanceOf: TypeError })
  })
}

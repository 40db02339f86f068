import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { makeWhole } from '../../tools/fork/partial-folder.js'
import { tempFolder } from './temp-folder.js'

test('A folder is put in its place when it is whole, also where an empty one stands', async t => {
  const root = tempFolder(t)
  for (const name of ['new', join('deep', 'new'), 'empty']) {
    const path = join(root, name)
    if (name === 'empty') mkdirSync(path)
    await makeWhole(path, '--out', async partial => {
      t.false(existsSync(path) && readdirSync(path).length > 0)
      writeFileSync(join(partial, 'a'), '1')
    })
    t.deepEqual(readdirSync(path), ['a'])
  }
})

test('What fails leaves nothing', async t => {
  const path = join(tempFolder(t), 'out')
  const failing = makeWhole(path, '--out', async partial => {
    writeFileSync(join(partial, 'a'), '1')
    throw new Error('the disk is full')
  })
  await t.throwsAsync(failing, { message: 'the disk is full' })
  t.false(existsSync(path) || existsSync(`${path}.partial`))
})

test('What a process left that was killed is cleared away; what somebody else put there is not', async t => {
  const path = join(tempFolder(t), 'out')
  const partial = `${path}.partial`
  mkdirSync(partial)
  writeFileSync(join(partial, 'mine'), '')
  await t.throwsAsync(
    makeWhole(path, '--out', async () => {}),
    { message: /remove or rename it/ },
  )
  t.true(existsSync(join(partial, 'mine')))
  // No process has that number and began then.
  writeFileSync(join(partial, 'being-made'), '999999999 1\n')
  await makeWhole(path, '--out', async made => writeFileSync(join(made, 'a'), '1'))
  t.deepEqual(readdirSync(path), ['a'])
  const [busy, inner] = [join(tempFolder(t), 'busy'), () => makeWhole(busy, '--out', async () => {})]
  await makeWhole(busy, '--out', async () => {
    await t.throwsAsync(inner, { message: /is making it at this moment/ })
  })
})

test('A file, or a folder with something in it, is left alone', async t => {
  const root = tempFolder(t)
  writeFileSync(join(root, 'file'), '')
  await t.throwsAsync(
    makeWhole(join(root, 'file'), '--out', async () => {}),
    { message: /is a file/ },
  )
  await t.throwsAsync(
    makeWhole(root, '--out', async () => {}),
    { message: /is not empty \(file is in it\)/ },
  )
})

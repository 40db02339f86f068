import test from 'ava'
import { runInOrder } from '../../tools/run-schedule.js'

interface Step {
  readonly id: number
  readonly key: string
}

async function* source(steps: readonly Step[], failure?: Error) {
  yield* steps
  if (failure !== undefined) throw failure
}

const steps = (...keys: string[]): Step[] => keys.map((key, id) => ({ id, key }))

/** Operations that end when told to, and a record of what happened. */
function recorder() {
  const begun: number[] = []
  const finished: number[] = []
  const open = new Map<number, { resolve(id: number): void; reject(error: Error): void }>()
  const schedule = {
    keyOf: (step: Step) => step.key,
    perform: (step: Step) => {
      begun.push(step.id)
      return new Promise<number>((resolve, reject) => open.set(step.id, { resolve, reject }))
    },
    finished: async (id: number) => {
      finished.push(id)
    },
  }
  const turn = () => new Promise(resolve => setImmediate(resolve))
  const end = async (id: number) => {
    open.get(id)!.resolve(id)
    await turn()
  }
  const fail = async (id: number) => {
    open.get(id)!.reject(new Error(`step ${id}`))
    await turn()
  }
  return { begun, finished, schedule, turn, end, fail }
}

test('With a concurrency of 1 an operation begins when the one before it is answered', async t => {
  const { begun, finished, schedule, turn, end } = recorder()
  const run = runInOrder(source(steps('a', 'b', 'c')), 1, schedule)
  await turn()
  t.deepEqual(begun, [0])
  await end(0)
  t.deepEqual(begun, [0, 1])
  await end(1)
  await end(2)
  await run
  t.deepEqual(finished, [0, 1, 2])
})

test('More are under way at once, up to the bound, and reported in order', async t => {
  const { begun, finished, schedule, turn, end } = recorder()
  const run = runInOrder(source(steps('a', 'b', 'c', 'd')), 3, schedule)
  await turn()
  t.deepEqual(begun, [0, 1, 2])
  await end(1)
  t.deepEqual(finished, [])
  await end(0)
  t.deepEqual(begun, [0, 1, 2, 3])
  await end(3)
  await end(2)
  await run
  t.deepEqual(finished, [0, 1, 2, 3])
})

test('Operations of one key keep their order at any concurrency', async t => {
  const { begun, schedule, turn, end } = recorder()
  const run = runInOrder(source(steps('a', 'a', 'b')), 8, schedule)
  await turn()
  t.deepEqual(begun, [0, 2])
  await end(0)
  t.deepEqual(begun, [0, 2, 1])
  await end(2)
  await end(1)
  await run
})

test('After a failure nothing more begins, what is under way ends, and earlier results are reported', async t => {
  const { begun, finished, schedule, turn, end, fail } = recorder()
  const run = runInOrder(source(steps('a', 'b', 'c', 'd', 'e')), 3, schedule)
  const outcome = t.throwsAsync(run, { message: 'step 1' })
  await turn()
  await fail(1)
  await end(0)
  await end(2)
  t.deepEqual(begun, [0, 1, 2, 3])
  await end(3)
  await outcome
  t.deepEqual(begun, [0, 1, 2, 3])
  t.deepEqual(finished, [0])
})

test('When the source fails, the results before it are reported first', async t => {
  const { finished, schedule, turn, end } = recorder()
  const run = runInOrder(source(steps('a', 'b'), new Error('line 3')), 8, schedule)
  const outcome = t.throwsAsync(run, { message: 'line 3' })
  await turn()
  await end(1)
  await end(0)
  await outcome
  t.deepEqual(finished, [0, 1])
})

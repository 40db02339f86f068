import test from 'ava'
import { markCommitted } from '../../src/log/commit-mark.js'
import { LevelLogStore } from '../../src/log/level-log.js'
import { nullLogger } from '../../src/log/logger.js'
import { baseConformance } from '../conformance/base-conformance.js'
import { blobConformance } from '../conformance/blob-conformance.js'
import { logConformance, type StoreFactory } from '../conformance/log-conformance.js'
import { logModelConformance } from '../conformance/log-model-conformance.js'
import { EMPTY_END, endOf, recordAfter, temporaryFolder } from './record-chain.js'

const make: StoreFactory = async t => {
  const dir = await temporaryFolder(t)
  const open = () => LevelLogStore.open({ dir, logger: nullLogger })
  let store = await open()
  t.teardown(() => store.close())
  const reopen = async () => {
    await store.close()
    store = await open()
    return store
  }
  return { store, reopen }
}

logConformance(test, 'level', make)
logModelConformance(test, 'level', make, 25)
blobConformance(test, 'level', make)
baseConformance(test, 'level', make)

test('a store that ended in order knows how far its log was committed, and believes no mark of another log', async t => {
  const dir = await temporaryFolder(t)
  const open = () => LevelLogStore.open({ dir, logger: nullLogger })
  let store = await open()
  const first = recordAfter(EMPTY_END)
  const second = recordAfter(endOf(first), { commitIndex: 0 })
  store.log(0).append(first)
  store.log(0).append(second)
  await store.flush()
  markCommitted(store, store.log(0), 2)
  await store.close()
  store = await open()
  t.is(store.log(0).commitIndexHint, 2)
  // What was cut and written anew is another log, whatever its index.
  store.log(0).cut(1)
  store.log(0).adoptEpoch(2)
  store.log(0).append(recordAfter(endOf(first), { epoch: 2, value: 'another' }))
  await store.close()
  store = await open()
  t.is(store.log(0).commitIndexHint, 0)
  await store.close()
})

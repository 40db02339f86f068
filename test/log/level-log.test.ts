import test from 'ava'
import { LevelLogStore } from '../../src/log/level-log.js'
import { nullLogger } from '../../src/log/logger.js'
import { baseConformance } from '../conformance/base-conformance.js'
import { blobConformance } from '../conformance/blob-conformance.js'
import { logConformance, type StoreFactory } from '../conformance/log-conformance.js'
import { logModelConformance } from '../conformance/log-model-conformance.js'
import { temporaryFolder } from './record-chain.js'

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

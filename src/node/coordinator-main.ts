/** The coordinator as a process of its own: `node coordinator-main.js --config FILE --data DIR`. */
import { readArguments, readConfig, runProcess } from './process-main.js'
import { startCoordinator } from './start.js'

await runProcess('coordinator', async options => {
  const { config: file, data } = readArguments(['config', 'data'])
  return await startCoordinator({ ...options, config: readConfig(file), dataDir: data })
})

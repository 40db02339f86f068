/** A storage node as a process of its own: `node node-main.js --address A --coordinator C --config FILE --data DIR`. */
import { ClusterConfigError, nodesOf } from './cluster-config.js'
import { readArguments, readConfig, runProcess } from './process-main.js'
import { startNode } from './start.js'

await runProcess('node', async options => {
  const {
    address,
    coordinator,
    config: file,
    data,
  } = readArguments(['address', 'coordinator', 'config', 'data'])
  const config = { ...readConfig(file), coordinator }
  const nodes = nodesOf(config)
  if (!nodes.includes(address)) {
    throw new ClusterConfigError(
      file,
      'shards',
      `${address} holds no shard: expected one of ${nodes.join(', ')}`,
    )
  }
  return await startNode(address, { ...options, config, dataDir: data })
})

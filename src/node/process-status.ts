/** What a process says of itself. */
import type { NodeStatus } from '../generated/varve/v1/cluster.js'
import type { NodeHost } from './node-host.js'

export function processStatus(
  { address, clusterId, incarnation }: Pick<NodeHost, 'address' | 'clusterId' | 'incarnation'>,
  role: 'node' | 'coordinator',
  version: string,
  dataDir: string,
): NodeStatus {
  const cpu = process.cpuUsage()
  return {
    address,
    role,
    clusterId,
    incarnation,
    pid: process.pid,
    uptimeMs: Math.round(process.uptime() * 1_000),
    replicas: [],
    memoryRssBytes: process.memoryUsage.rss(),
    cpuUserUs: cpu.user,
    cpuSystemUs: cpu.system,
    version,
    dataDir,
    wallMs: Date.now(),
  }
}

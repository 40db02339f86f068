/** Which processes a cluster on this machine consists of, and how each is started. */

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type ClusterConfig, nodesOf, parseClusterConfig } from '../../src/node/cluster-config.js'
import { COORDINATOR, type DataFolder, nodeName } from './data-folder.js'

/** One process to run. */
export interface ProcessSpec {
  /** Of its pid file and log. */
  readonly name: string
  readonly role: 'coordinator' | 'node'
  readonly address: string
  /** Arguments of the Node.js executable. */
  readonly args: readonly string[]
}

/** How a process is called in messages: `the coordinator 127.0.0.1:5000`, `node 127.0.0.1:5001`. */
export function describe(spec: ProcessSpec): string {
  return `${spec.role === 'coordinator' ? 'the coordinator' : 'node'} ${spec.address}`
}

/** The configuration that a cluster's folder holds now. Throws `ClusterConfigError`. */
export function readClusterConfig(folder: DataFolder): ClusterConfig {
  return parseClusterConfig(readFileSync(folder.configFile, 'utf8'), folder.configFile)
}

/** The processes of a cluster, the coordinator first. */
export function clusterProcesses(folder: DataFolder, config: ClusterConfig): ProcessSpec[] {
  const coordinator: ProcessSpec = {
    name: COORDINATOR,
    role: 'coordinator',
    address: config.coordinator,
    args: [...mainFile('coordinator-main'), '--config', folder.configFile, '--data', folder.coordinatorDir],
  }
  const nodes = nodesOf(config).map((address): ProcessSpec => {
    const name = nodeName(address)
    const who = ['--address', address, '--coordinator', config.coordinator, '--config', folder.configFile]
    return {
      name,
      role: 'node',
      address,
      args: [...mainFile('node-main'), ...who, '--data', folder.nodeDir(name)],
    }
  })
  return [coordinator, ...nodes]
}

/**
 * The main file beside this one: built as JavaScript when this is, else as TypeScript with the loader that this
 * process was started with.
 */
function mainFile(name: string): string[] {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const file = fileURLToPath(new URL(`../../src/node/${name}.${extension}`, import.meta.url))
  return extension === 'ts' ? [...process.execArgv, file] : [file]
}

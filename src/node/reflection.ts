/**
 * Server reflection: what lets `grpcurl` and other tools call a node without having our proto files. They are read
 * from the package's `proto` folder, beside `src` in a checkout and one level further up from `dist`.
 */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Server } from '@grpc/grpc-js'
import { loadSync, type PackageDefinition } from '@grpc/proto-loader'
import { ReflectionService } from '@grpc/reflection'

const FILES = ['kv.proto', 'cluster.proto', 'replication.proto', 'entry.proto'].map(
  file => `varve/v1/${file}`,
)

let definition: PackageDefinition | undefined

/** Adds the reflection services (v1 and v1alpha), which list `services` by their full names. */
export function addReflection(server: Server, services: readonly string[]): void {
  definition ??= loadSync(FILES, {
    includeDirs: [protoDir()],
    longs: Number,
    defaults: true,
    oneofs: true,
  })
  const reflection = new ReflectionService(definition, { services: [...services] })
  reflection.addToServer(server)
}

/** The folder that holds `varve/v1/*.proto`. Throws where the package is incomplete. */
export function protoDir(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  for (let level = 0; level < 4; level += 1) {
    const candidate = join(folder, 'proto')
    if (existsSync(join(candidate, FILES[0]!))) return candidate
    folder = dirname(folder)
  }
  throw new Error(
    `no proto folder above ${fileURLToPath(import.meta.url)}: the package is incomplete, install it again`,
  )
}

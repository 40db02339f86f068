/** A disk that can be made full at will: a tmpfs whose size is changed while it is mounted. Linux, as root. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, statfsSync } from 'node:fs'

/** Far above the watermark below which a head takes no more writes. */
const ROOMY_BYTES = 1_024 * 1_048_576

export class SmallDisk {
  readonly dir: string

  private constructor(dir: string) {
    this.dir = dir
  }

  /** Mounts one on that folder, or says why that is not possible here. */
  static mount(dir: string): SmallDisk | string {
    if (process.platform !== 'linux') return `no tmpfs on ${process.platform}`
    mkdirSync(dir, { recursive: true })
    try {
      run('mount', ['-t', 'tmpfs', '-o', `size=${ROOMY_BYTES}`, 'tmpfs', dir])
    } catch (error) {
      const said = String((error as { stderr?: Buffer }).stderr ?? error)
      return `mounting a tmpfs is not permitted: ${said.trim().split('\n')[0]}`
    }
    return new SmallDisk(dir)
  }

  /** Leaves so much room, from now on. */
  leave(freeBytes: number): void {
    const { blocks, bfree, bsize } = statfsSync(this.dir)
    this.#resize((blocks - bfree) * bsize + freeBytes)
  }

  makeRoom(): void {
    this.#resize(ROOMY_BYTES)
  }

  unmount(): void {
    run('umount', ['-l', this.dir])
  }

  #resize(bytes: number): void {
    run('mount', ['-o', `remount,size=${bytes}`, this.dir])
  }
}

function run(command: string, args: readonly string[]): void {
  execFileSync(command, [...args], { stdio: ['ignore', 'ignore', 'pipe'] })
}

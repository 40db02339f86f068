/** Additional arguments of the Node.js processes that the benchmark starts. */

/** Loads the benchmark's hook (see node-hook.ts) into a process. */
export function hookArguments(): string[] {
  const isSource = import.meta.url.endsWith('.ts')
  const hook = new URL(`./node-hook.${isSource ? 'ts' : 'js'}`, import.meta.url)
  return [...(isSource ? process.execArgv : []), '--import', hook.href]
}

/** Makes a process leave a CPU profile with that name in the folder when it ends; nothing without a folder. */
export function profileArguments(folder: string | undefined, name: string): string[] {
  if (folder === undefined) return []
  return ['--cpu-prof', `--cpu-prof-dir=${folder}`, `--cpu-prof-name=${name}.cpuprofile`]
}

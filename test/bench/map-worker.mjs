// What GNU parallel runs: the same wasm module as the nodes, one instance for each line. Of the arguments the lines
// are those behind the module; without any they are those of stdin.

import {readFileSync} from 'node:fs';
import {ConsoleStdout, File, OpenFile, WASI} from '@bjorn3/browser_wasi_shim';

const [path, ...lines] = process.argv.slice(2);
const module = new WebAssembly.Module(readFileSync(path));
const inputs = lines.length > 0 ? lines : readFileSync(0, 'utf8').split('\n').slice(0, -1);

for (const line of inputs) {
  const stdin = new OpenFile(new File(new TextEncoder().encode(line)));
  const stdout = new ConsoleStdout(bytes =>
    process.stdout.write(`${new TextDecoder().decode(bytes).trimEnd()}\n`),
  );
  const wasi = new WASI(['app'], [], [stdin, stdout, stdout]);
  const instance = new WebAssembly.Instance(module, {wasi_snapshot_preview1: wasi.wasiImport});
  try {
    wasi.start(instance);
  } catch (error) {
    if (!/exit with exit code 0/.test(String(error))) throw error;
  }
}

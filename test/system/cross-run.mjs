// Runs modules on whatever processor this is: `node cross-run.mjs WASM.JS BUNDLE`. WASM.JS is our compiled
// core/wasm.js; the bundle is modules, each behind its length (u32, little endian), and first the bytes
// that memory begins with. Prints one line for each module: the SHA-256 of its memory afterwards.

import {createHash} from 'node:crypto';
import {readFileSync} from 'node:fs';
import {pathToFileURL} from 'node:url';

const [, , wasmPath, bundlePath] = process.argv;
const {prepareWasm} = await import(pathToFileURL(wasmPath).href);

function* parts(bytes) {
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    yield new Uint8Array(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
}

const [world, ...modules] = parts(readFileSync(bundlePath));
const memory = new WebAssembly.Memory({initial: 1});
for (const module of modules) {
  const prepared = prepareWasm(module);
  if (prepared.kind === 'refused') throw new Error(prepared.reason);
  new Uint8Array(memory.buffer).fill(0).set(world);
  const compiled = new WebAssembly.Module(prepared.bytes);
  new WebAssembly.Instance(compiled, {volley: {memory}}).exports._start();
  console.log(createHash('sha256').update(new Uint8Array(memory.buffer)).digest('hex'));
}

// The runner process: reads orders on stdin, runs them one after the other, writes each result to stdout
// as soon as it is there. It is written for one thing at a time and blocks in read and write, so a result
// never waits behind an endless loop, and the node knows which order is running: the first unanswered. What runs,
// a wasm module or a script, is said by its one argument: both have a sandbox of their own behind the same two calls.
//
// It holds no key, sees no environment, opens no file. When its node is gone, stdin ends; while the app
// does not come back, a watchdog thread sees another pipe end.

import {readSync, writeSync} from 'node:fs';
import {performance} from 'node:perf_hooks';
import {setImmediate} from 'node:timers/promises';
import {setFlagsFromString} from 'node:v8';
import {Worker} from 'node:worker_threads';
import {toUtf8} from '../base/bytes.ts';
import {
  decodeRun,
  encodeEnded,
  encodeReady,
  encodeState,
  FRAME,
  FRAME_REASON_BYTES_MAX,
  FrameReader,
  type RunFrame,
} from './runner-frames.ts';
import type {Ended} from './runner-wasi.ts';

const CHUNK_BYTES = 256 * 1_024;
/** What an app saves leaves the process at most this often. */
const SAVE_MS = 1_000;
/** Largest input and module that a node sends. */
const FRAME_BYTES_MAX = 2 ** 30;

// Taken now, for the sandbox of js apps leaves nothing global behind. (An import of node:process would open stdin as a
// stream, which makes it non-blocking.)
const host = process;

// The whole thread: no imports, so that it costs the least memory. Nobody writes to this pipe, so a read
// comes back when the node is gone. (The parent's number tells nothing in a namespace of its own.)
const WATCHDOG = `
const {readSync} = require('node:fs');
const cell = new Int32Array(new SharedArrayBuffer(4));
const byte = new Uint8Array(1);
for (let isThere = true; isThere; ) {
  try {
    isThere = readSync(3, byte) > 0;
  } catch (error) {
    isThere = error.code === 'EAGAIN' || error.code === 'EINTR';
    Atomics.wait(cell, 0, 0, 500);
  }
}
process.kill(process.pid, 'SIGKILL');`;

function startWatchdog(): void {
  const watchdog = new Worker(WATCHDOG, {
    eval: true,
    env: {},
    execArgv: [],
    // Else Node opens our own stdout and stderr for it, which makes them non-blocking.
    stdout: true,
    stderr: true,
    resourceLimits: {maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 1, stackSizeMb: 1},
  });
  watchdog.unref();
  // Without it a runner could outlive its node: better none.
  watchdog.on('error', end);
}

/** An orderly exit would wait for the watchdog, which waits for the node. */
function end(): void {
  host.kill(host.pid, 'SIGKILL');
}

const {wait} = Atomics;
const pause = new Int32Array(new SharedArrayBuffer(4));

let isWriting = false;

/** An app that saves at the end of its stack may break this off: whoever reads would take the rest for something else. */
function writeAll(bytes: Uint8Array): void {
  if (isWriting) end();
  isWriting = true;
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(1, bytes, at, bytes.length - at);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error;
      // Someone made the pipe non-blocking, and it is full.
      wait(pause, 0, 0, 1);
    }
  }
  isWriting = false;
}

type AppSandbox = {
  /** Compiles the app; '' or why it cannot be run, which each run says, too. */
  load(body: Uint8Array): string | Promise<string>;
  /** What every later run may read beside its input. */
  share(bytes: Uint8Array): void;
  run(order: RunFrame, save: (bytes: Uint8Array) => void): Ended | Promise<Ended>;
};

/** Each runtime loads only what it needs itself. */
async function sandboxOf(runtime: string | undefined): Promise<AppSandbox> {
  if (runtime === 'js') return new (await import('./runner-js.ts')).JsSandbox();
  // Its results differ between processors. An engine that no longer knows the flag says
  // so on stderr and goes on.
  setFlagsFromString('--no-experimental-wasm-relaxed-simd');
  return new (await import('./runner-wasi.ts')).Sandbox();
}

/** Waits only where the sandbox does: a turn of the event loop for each run would be felt. */
async function onFrame(sandbox: AppSandbox, frame: Uint8Array): Promise<void> {
  if (frame[0] === FRAME.app) {
    writeAll(encodeReady(toUtf8(await sandbox.load(frame.slice(1)))));
    return;
  }
  if (frame[0] === FRAME.shared) {
    sandbox.share(frame.slice(1));
    return;
  }
  const order = decodeRun(frame);
  const startedAt = performance.now();
  const {status, output, reason} = await sandbox.run(order, savesOf(order.no, startedAt));
  const ms = performance.now() - startedAt;
  const body = status === 'done' ? output : toUtf8(reason).slice(0, FRAME_REASON_BYTES_MAX);
  writeAll(encodeEnded({no: order.no, status, ms, body}));
  // Nothing runs in a process where something went wrong: the node starts another.
  if (status !== 'done' && status !== 'exited') end();
}

/** The app may save as often as it likes: it has no clock. What is soon replaced is not worth a write. */
function savesOf(no: number, startedAt: number): (bytes: Uint8Array) => void {
  let savedAt = startedAt;
  return bytes => {
    const now = performance.now();
    if (now - savedAt < SAVE_MS) return;
    savedAt = now;
    writeAll(encodeState({no, bytes}));
  };
}

async function main(): Promise<void> {
  startWatchdog();
  const sandbox = await sandboxOf(host.argv[2]);
  const reader = new FrameReader(() => FRAME_BYTES_MAX);
  const chunk = new Uint8Array(CHUNK_BYTES);
  for (;;) {
    const length = readSync(0, chunk, 0, CHUNK_BYTES, null);
    const frames: Uint8Array[] = [];
    const isWhole = reader.push(chunk.subarray(0, length), frame => frames.push(frame));
    for (const frame of frames) await onFrame(sandbox, frame);
    if (length === 0 || !isWhole) return;
    // Lets the engine do what it put off: a thread that never rests keeps its garbage.
    await setImmediate();
  }
}

try {
  await main();
} catch (error) {
  // Left to itself the process would wait for its watchdog.
  writeSync(2, `${error}\n`);
}
end();

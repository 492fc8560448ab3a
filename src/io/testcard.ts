// The built-in action `testcard`: a persistent program (the lines are in action-process.ts) that
// draws a picture instead of taking one, so that a rig without cameras can be tried. A program of
// its own, started as `node testcard.js <node name> <node id>` in the folder of the shots.

import {writeFileSync, writeSync} from 'node:fs';
import {drawTestcard} from './testcard-picture.ts';

const [, , nodeName = 'node', nodeId = nodeName] = process.argv;
const STDOUT = 1;

/** Wall clock with a fraction of a millisecond. */
const wallMs = (): number => performance.timeOrigin + performance.now();

function onLine(line: string): void {
  const firedAt = wallMs();
  const [word, shot, file, asked, ...args] = line.split(' ');
  if (word !== 'fire' || shot === undefined || file === undefined) return;
  writeSync(STDOUT, `fired ${shot} ${firedAt.toFixed(3)}\n`);
  try {
    const remark = args.join(' ');
    const askedWallMs = Number(asked);
    writeFileSync(file, drawTestcard({nodeName, nodeId, shot, askedWallMs, remark}));
    writeSync(STDOUT, `done ${shot} ${file}\n`);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    writeSync(STDOUT, `failed ${shot} ${reason.replaceAll('\n', ' ')}\n`);
  }
}

// the first drawing takes several times as long as the next ones: not at the first shot
drawTestcard({nodeName, nodeId, shot: '0-0', askedWallMs: 0, remark: ''});

let rest = '';
process.stdin.setEncoding('utf8').on('data', (text: string) => {
  const lines = (rest + text).split('\n');
  rest = lines.pop() ?? '';
  for (const line of lines) onLine(line);
});
writeSync(STDOUT, 'ready\n');

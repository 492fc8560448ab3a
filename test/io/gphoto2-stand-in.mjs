#!/usr/bin/env node
// Behaves as gphoto2 2.5 does with --capture-image-and-download --interval -1, without a camera: a first picture at
// once, then one for each SIGUSR1, an end with SIGUSR2 (gphoto2/main.c, capture_generic). Words of libgphoto2's errors as in
// its issues 297, 617, 902 and gphoto2's 497. GPHOTO2_MODE: none, busy, focus, raw.

import {appendFileSync, renameSync, writeFileSync} from 'node:fs';

const mode = process.env.GPHOTO2_MODE ?? '';
const args = process.argv.slice(2);
const after = name => args[args.indexOf(name) + 1];
const fail = text => {
  console.error(`\n*** Error ***\n${text}\n*** Error (-53: 'x') ***\n`);
  process.exit(1);
};
appendFileSync('started', `${args.join(' ')}\n`);
if (mode === 'none') fail('No camera found.');
if (mode === 'busy')
  fail(
    "An error occurred in the io-library ('Could not claim the USB device'): Could not claim interface 0 (Device or resource busy).",
  );
const settings = args.flatMap((arg, i) => (arg === '--set-config' ? [args[i + 1]] : []));
for (const setting of settings) {
  const [name] = setting.split('=');
  if (name !== 'iso' && name !== 'shutterspeed') fail(`${name} not found in configuration tree.`);
}
if (args.includes('--get-config')) {
  console.log(`Label: ISO Speed\nReadonly: 0\nType: RADIO\nCurrent: 100\nChoice: 0 Auto`);
  process.exit(0);
}
let no = 0;
function capture() {
  if (mode === 'focus' && no++ > 0)
    return console.error('ERROR: Could not capture image.\nERROR: Could not capture.');
  const suffix = mode === 'raw' ? 'CR2' : 'JPG';
  const name = after('--filename')
    .replace('%f', `IMG_${String(no++).padStart(4, '0')}`)
    .replace('%C', suffix);
  const picture = [
    Buffer.from([0xff, 0xd8]),
    Buffer.from(`${no} picture ${settings}`),
    Buffer.from([0xff, 0xd9]),
  ];
  writeFileSync(
    `tmpfile${process.pid}`,
    Buffer.concat(mode === 'raw' ? [Buffer.from('II*raw picture')] : picture),
  );
  renameSync(`tmpfile${process.pid}`, name);
}
let wanted = false;
process.on('SIGUSR1', () => {
  wanted = true;
});
process.on('SIGUSR2', () => process.exit(0));
setTimeout(capture, 20);
setInterval(() => {
  if (wanted) capture();
  wanted = false;
}, 50);

#!/usr/bin/env node
// Behaves as v4l2-ctl of v4l-utils 1.22 does, as far as the action sees it, without a camera; wording of
// v4l2-ctl-common.cpp and v4l2-ctl-streaming.cpp. V4L2_MODE: none, busy, raw (no MJPG), dies.

import {appendFileSync, existsSync, readFileSync, writeFileSync} from 'node:fs';

const mode = process.env.V4L2_MODE ?? '';
const args = process.argv.slice(2);
const valueOfOption = name =>
  args.find(arg => arg.startsWith(`--${name}=`))?.slice(name.length + 3);
const device = args[args.indexOf('--device') + 1];
appendFileSync('started', `${args.join(' ')}\n`);
if (mode === 'none') {
  console.error(`Cannot open device ${device}, exiting.`);
  process.exit(1);
}
const HELD = 'controls.json';
const held = existsSync(HELD) ? JSON.parse(readFileSync(HELD, 'utf8')) : {brightness: 0};
if (args.includes('--list-ctrls'))
  console.log(`Driver Info:
\tDriver name      : uvcvideo
\tCard type        : HD Webcam C525

User Controls

                     brightness 0x00980900 (int)    : min=-64 max=64 step=1 default=0 value=0
        white_balance_automatic 0x0098090c (bool)   : default=1 value=1
                  auto_exposure 0x009a0901 (menu)   : min=0 max=3 default=3 value=3 (Aperture Priority Mode)`);
for (const word of valueOfOption('set-ctrl')?.split(',') ?? []) {
  const [name, value] = word.split('=');
  held[name] = Math.min(Number(value), 50); // a camera may take another value
  writeFileSync(HELD, JSON.stringify(held));
}
for (const name of valueOfOption('get-ctrl')?.split(',') ?? [])
  console.log(`${name}: ${held[name]}`);
if (args.includes('--stream-mmap')) {
  if (mode === 'busy') {
    console.error('\t\tVIDIOC_REQBUFS returned -1 (Device or resource busy)');
    process.exit(255);
  }
  let no = 0;
  setInterval(() => {
    if (mode === 'dies' && no === 30) process.exit(1);
    if (mode === 'raw') return process.stdout.write(Buffer.alloc(1_000, 0x80));
    const text = Buffer.from(`frame ${no++} of ${valueOfOption('set-fmt-video')} `);
    // stuffed zeros between two frames, as drivers leave them
    const frame = Buffer.concat([
      Buffer.from([0xff, 0xd8]),
      text,
      Buffer.from([0xff, 0x00, 0xff, 0xd9, 0, 0]),
    ]);
    process.stdout.write(frame.subarray(0, 20));
    process.stdout.write(frame.subarray(20));
  }, 20);
}

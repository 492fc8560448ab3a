#!/usr/bin/env node
// Behaves as rpicam-still does in signal mode, as far as the action sees it, without a camera. Read for it:
// apps/rpicam_still.cpp, core/options.cpp (raspberrypi/rpicam-apps), and its issues 159 and 488; the words on a busy
// camera are those of issue 799 and of picamera2's 627. STILL_MODE: none, busy, stuck, once (issue 488), half, dies,
// full, old (no signal mode), slow.

import {appendFileSync, readFileSync, writeFileSync} from 'node:fs';

const mode = process.env.STILL_MODE ?? '';
const args = process.argv.slice(2);
const optionOf = name => {
  const at = args.indexOf(`--${name}`);
  const joined = args.find(arg => arg.startsWith(`--${name}=`));
  return joined?.slice(name.length + 3) ?? (at < 0 ? undefined : (args[at + 1] ?? ''));
};
const log = text => process.stderr.write(`${text}\n`);
const fail = text => {
  log(`ERROR: *** ${text} ***`);
  process.exit(255);
};
const OPTIONS = [
  '--verbose [=arg(=2)] (=1) Set verbosity level. Level 0 is no output',
  '--list-cameras',
  '--shutter arg',
  '--gain arg',
  '--width arg',
  '--height arg',
  '-q [ --quality ] arg',
  '-r [ --raw ] [=arg(=1)]',
  '--immediate',
  '--timeout arg',
  '-o [ --output ] arg',
  '--nopreview',
  ...(mode === 'old' ? [] : ['-s [ --signal ]', '--zsl']),
];

if (args.includes('--help')) {
  console.log(`Valid options are:\n  ${OPTIONS.join('\n  ')}`);
  process.exit(0);
}
appendFileSync('started', `${args.join(' ')}\n`);
if (args.includes('--list-cameras')) {
  console.log(
    mode === 'none' ? 'No cameras available!' : 'Available cameras\n0 : imx708 [4608x2592]',
  );
  process.exit(0);
}
const shutter = optionOf('shutter');
if (shutter !== undefined && !/^\d+$/.test(shutter))
  fail(`the argument ('${shutter}') for option '--shutter' is invalid`);
if (
  mode === 'none' ||
  (process.env.STILL_GONE && readFileSync(process.env.STILL_GONE, 'utf8') === 'gone')
)
  fail('no cameras available');
log(
  '[0:01:02.1] [77]  INFO RPI pisp.cpp:1154 Registered camera /base/axi/pcie@120000/rp1/i2c@88000/imx708@1a to CFE device /dev/media3',
);
if (mode === 'busy') {
  log(
    '[93:12:50.4] [47239] INFO Camera camera.cpp:1008 Pipeline handler in use by another process',
  );
  fail('failed to acquire camera /base/soc/i2c0mux/i2c@1/imx477@1a');
}

const PICTURE = Buffer.concat([
  Buffer.from([0xff, 0xd8]),
  Buffer.from(`picture ${args.join(' ')}`),
  Buffer.from([0xff, 0xd9]),
]);
let no = 0;
function save() {
  const file = (optionOf('output') ?? '').replace('%06d', String(no++).padStart(6, '0'));
  log('Still capture image received');
  if (mode === 'full') fail(`failed to open file ${file}`);
  writeFileSync(file, PICTURE.subarray(0, 10));
  if (mode === 'half') process.exit(139);
  if (mode === 'dies') process.kill(process.pid, 'SIGKILL');
  setTimeout(() => {
    writeFileSync(file, PICTURE);
    log(`Saved image 4608 x 2592 to file ${file}`);
    if (args.includes('--raw=1')) {
      const raw = file.replace(/jpg$/, 'dng');
      writeFileSync(raw, 'raw picture');
      log(`Saved image 4608 x 2592 to file ${raw}`);
    }
    if (args.includes('--immediate') || mode === 'once') process.exit(0);
  }, 30);
}

if (args.includes('--immediate')) save();
else {
  let wanted = false;
  let frame = 0;
  // before the camera is open SIGUSR1 ends the program, as it does the real one
  setTimeout(() => {
    process.on('SIGUSR1', () => {
      log('Received signal 10');
      wanted = true;
    });
    process.on('SIGUSR2', () => process.exit(0));
    setInterval(() => {
      if (mode === 'stuck')
        return frame++ === 3
          ? log('ERROR: Device timeout detected, attempting a restart!!!')
          : undefined;
      if (wanted) {
        wanted = false;
        return save();
      }
      log(`Viewfinder frame ${frame++}`);
    }, 10);
  }, 50);
}

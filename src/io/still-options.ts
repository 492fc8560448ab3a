// What the installed rpicam-still can do, by its own --help, and the settings that we pass on to it: by
// the names of its options. Those that name files are not among them: the operator sets how the picture is
// taken, and the node's owner where it goes.
//
// Read for this: apps/rpicam_still.cpp, core/options.cpp and core/still_options.hpp of raspberrypi/rpicam-apps.
// `--sync` is an option of rpicam-vid in the versions that were read: it is taken where --help has it.

import type {ActionSettings} from '../core/action-settings.ts';

/** Options that are settings. */
export const STILL_SETTINGS: readonly string[] = [
  'shutter',
  'gain',
  'ev',
  'awb',
  'awbgains',
  'metering',
  'exposure',
  'brightness',
  'contrast',
  'saturation',
  'sharpness',
  'denoise',
  'lens-position',
  'autofocus-mode',
  'autofocus-range',
  'autofocus-speed',
  'autofocus-window',
  'autofocus-on-capture',
  'width',
  'height',
  'quality',
  'rotation',
  'hflip',
  'vflip',
  'roi',
  'hdr',
  'mode',
  'framerate',
  'flicker-period',
  'raw',
  'sync',
];
/** Of every one of them. */
const VALUE = /^[A-Za-z0-9.,:+_-]{1,64}$/;

export type StillProgram = {
  readonly path: string;
  /** Stays, and fires on SIGUSR1. */
  readonly hasSignal: boolean;
  /** Frames of the still mode all the time: no change of mode between the signal and the picture. */
  readonly hasZsl: boolean;
  /** How it is told to say each frame and each file. */
  readonly verbose: readonly string[];
  readonly listsCameras: boolean;
  /** The settings that this version has. */
  readonly settings: readonly string[];
};

/** @param help what `--help` printed */
export function readHelp(path: string, help: string): StillProgram {
  const has = (option: string): boolean => new RegExp(`--${option}\\b(?!-)`).test(help);
  return {
    path,
    hasSignal: has('signal'),
    hasZsl: has('zsl'),
    // before it had levels it was a switch
    verbose: /verbosity level/i.test(help) ? ['--verbose', '2'] : ['--verbose'],
    listsCameras: has('list-cameras'),
    settings: STILL_SETTINGS.filter(has),
  };
}

/** Why these cannot be set; undefined = as far as can be seen here they can. */
export function faultOfStill(program: StillProgram, settings: ActionSettings): string | undefined {
  for (const [name, value] of Object.entries(settings)) {
    if (!program.settings.includes(name)) {
      const isKnown = STILL_SETTINGS.includes(name);
      const there = isKnown
        ? 'this version has no such option'
        : `there are: ${program.settings.join(', ')}`;
      return `no setting "${name}"; ${there}`;
    }
    if (!VALUE.test(value)) return `"${value}" is no value of "${name}"`;
  }
  return undefined;
}

/** With `=`, so that a value is never taken for an option. */
export const stillArguments = (settings: ActionSettings): readonly string[] =>
  Object.entries(settings).map(([name, value]) => `--${name}=${value}`);

/** What lines on standard error mean. Wording as in rpicam_still.cpp, rpicam_app.cpp, libcamera's camera.cpp. */
export type StillLine =
  | {readonly kind: 'frame'}
  | {readonly kind: 'saved'; readonly file: string}
  | {readonly kind: 'model'; readonly model: string}
  | {readonly kind: 'fault'; readonly reason: string}
  /** The sensor sends nothing; it is being restarted. */
  | {readonly kind: 'stuck'};

export function readStillLine(line: string): StillLine | undefined {
  if (line.startsWith('Viewfinder frame')) return {kind: 'frame'};
  const saved = /^Saved image \d+ x \d+ to file (.+)$/.exec(line)?.[1];
  if (saved !== undefined) return {kind: 'saved', file: saved};
  const model = /Registered camera \S*\/([A-Za-z0-9]+)@\S+ to/.exec(line)?.[1];
  if (model !== undefined) return {kind: 'model', model};
  if (/Device timeout detected/.test(line)) return {kind: 'stuck'};
  if (/no cameras available/i.test(line))
    return {
      kind: 'fault',
      reason: 'no camera: look at its cable, and try `rpicam-hello --list-cameras`',
    };
  if (/in use by another process|failed to acquire camera/.test(line))
    return {kind: 'fault', reason: 'the camera is busy: end the other program that has it'};
  const error = /^ERROR: (?:\*\*\* )?(.+?)(?: \*\*\*)?$/.exec(line)?.[1];
  return error === undefined ? undefined : {kind: 'fault', reason: error};
}

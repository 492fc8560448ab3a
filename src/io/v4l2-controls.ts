// The controls of a camera as `v4l2-ctl --list-ctrls` prints them, and what its complaints mean. Read for this:
// utils/v4l2-ctl/v4l2-ctl-common.cpp and v4l2-ctl-streaming.cpp of v4l-utils (1.22, Debian 12).

import type {ActionSettings} from '../core/action-settings.ts';

export type Control = {readonly name: string; readonly min: number; readonly max: number};

/** `    brightness 0x00980900 (int)    : min=-64 max=64 step=1 default=0 value=0` */
export function readControls(text: string): readonly Control[] {
  return text.split('\n').flatMap(line => {
    const found = /^\s+([a-z0-9_]+)\s+(?:0x[0-9a-f]+\s+)?\((int|bool|menu|intmenu)\)\s*:(.*)$/.exec(
      line,
    );
    if (!found) return [];
    const [, name = '', type = '', rest = ''] = found;
    const isBool = type === 'bool';
    const min = Number(/min=(-?\d+)/.exec(rest)?.[1] ?? 0);
    const max = Number(/max=(-?\d+)/.exec(rest)?.[1] ?? (isBool ? 1 : 0));
    return [{name, min, max}];
  });
}

/** Of the picture, not of the camera: the stream begins anew for them. */
export const SIZE_SETTINGS: readonly string[] = ['width', 'height'];
const SIZE_MAX = 16_384;

/** Why these cannot be set; undefined = they can. */
export function faultOfControls(
  controls: readonly Control[],
  settings: ActionSettings,
): string | undefined {
  const size = SIZE_SETTINGS.map(name => ({name, min: 16, max: SIZE_MAX}));
  const known = [...size, ...controls];
  for (const [name, value] of Object.entries(settings)) {
    const control = known.find(one => one.name === name);
    if (!control)
      return `no setting "${name}"; there are: ${known.map(one => one.name).join(', ')}`;
    const {min, max} = control;
    const isWhole = /^-?\d+$/.test(value);
    if (!isWhole || Number(value) < min || Number(value) > max)
      return `"${name}" is a whole number from ${min} to ${max}, not "${value}"`;
  }
  return undefined;
}

/** The last complaint in what v4l2-ctl printed, in words that say what to do; '' = none. */
export function complaintOf(text: string, device: string): string {
  if (/Cannot open device|No such file or directory|No such device/i.test(text))
    return `no camera at ${device}: look at its cable, and at \`v4l2-ctl --list-devices\``;
  if (/resource busy/i.test(text))
    return `the camera at ${device} is busy: end the other program that has it`;
  if (/Permission denied/i.test(text))
    return `${device} may not be opened: put the node's user into the group "video"`;
  return text.trim().split('\n').at(-1) ?? '';
}

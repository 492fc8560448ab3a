// The built-in action `testcard`: a program that draws a picture instead of taking one, so that a rig without
// cameras can be tried. Started as `node testcard.js <node name> <node id>` in the folder of the shots. An argument
// `format=jpeg`, or a setting of that name, makes JPEG of its PNG; other arguments are written at its foot.

import {writeFileSync} from 'node:fs';
import {setTimeout as sleep} from 'node:timers/promises';
import type {ActionSettings} from '../core/action-settings.ts';
import {type Firing, type Shutter, speakFor} from './action-speaker.ts';
import {
  drawTestcard,
  encodeTestcard,
  TESTCARD_FORMATS,
  TESTCARD_SETTINGS,
  type TestcardFormat,
} from './testcard-picture.ts';

const [, , nodeName = 'node', nodeId = nodeName] = process.argv;
const FORMAT_ARGUMENT = 'format=';
/** Drawing takes a core for a while, at the priority of what fires: others on this machine fire now. */
const QUIET_MS = 60;

function formatOf(text: string): TestcardFormat {
  const format = TESTCARD_FORMATS.find(known => known === text);
  if (format === undefined)
    throw new Error(`no format "${text}"; there are: ${TESTCARD_FORMATS.join(', ')}`);
  return format;
}

class TestcardShutter implements Shutter {
  #settings: ActionSettings = {};

  async open() {
    // the first drawing takes several times as long as the next ones: not at the first shot
    drawTestcard({nodeName, nodeId, shot: '0-0', askedWallMs: 0, remark: ''});
    return {model: 'testcard', settings: TESTCARD_SETTINGS, preview: true};
  }

  async arm(): Promise<void> {
    // nothing has to be made ready
  }

  async set(settings: ActionSettings): Promise<ActionSettings> {
    const unknown = Object.keys(settings).find(name => !TESTCARD_SETTINGS.includes(name));
    if (unknown !== undefined)
      throw new Error(`no setting "${unknown}"; there are: ${TESTCARD_SETTINGS.join(', ')}`);
    formatOf(settings['format'] ?? 'png');
    this.#settings = settings;
    return {format: 'png', ...settings};
  }

  async fire(firing: Firing): Promise<readonly string[]> {
    return this.#draw(firing, false);
  }

  async preview(firing: Firing): Promise<readonly string[]> {
    return this.#draw(firing, true);
  }

  async #draw(
    {shot, file, askedWallMs, args, fired}: Firing,
    isSmall: boolean,
  ): Promise<readonly string[]> {
    fired();
    await sleep(QUIET_MS);
    const given = args.find(arg => arg.startsWith(FORMAT_ARGUMENT))?.slice(FORMAT_ARGUMENT.length);
    const format = formatOf(given ?? this.#settings['format'] ?? 'png');
    const words = args.filter(arg => !arg.startsWith(FORMAT_ARGUMENT));
    const remark = words.length > 0 ? JSON.stringify(words) : (this.#settings['remark'] ?? '');
    const name = format === 'jpeg' ? file.replace(/\.png$/, '.jpg') : file;
    const card = {nodeName, nodeId, shot, askedWallMs, remark};
    writeFileSync(name, encodeTestcard(card, format, isSmall));
    return [name];
  }

  end(): void {
    process.exit(0);
  }
}

speakFor(new TestcardShutter());

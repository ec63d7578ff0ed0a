// A headless Chromium, and a way to cut its connections.
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { chromium } from 'playwright-core';

const PROGRAMS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

export function launch(...more) {
  const executablePath = process.env.SRL_CHROMIUM ?? PROGRAMS.find((program) => fs.existsSync(program));
  if (!executablePath) throw new Error('no Chromium: install it, or name it by SRL_CHROMIUM');
  return chromium.launch({
    executablePath,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      ...more,
    ],
  });
}

/** Writes a picture of the page if SRL_SCREENSHOTS names a folder. */
export async function screenshot(page, name) {
  const folder = process.env.SRL_SCREENSHOTS;
  if (!folder) return;
  fs.mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: path.join(folder, `${name}.png`) });
}

/** A port that leads to another one, until it is cut. */
export class Wire {
  static async to(port) {
    const wire = new Wire();
    wire.pairs = new Set();
    wire.whole = true;
    wire.target = port;
    wire.server = net.createServer((socket) => wire.accept(socket));
    await new Promise((resolve) => wire.server.listen(0, '127.0.0.1', resolve));
    wire.port = wire.server.address().port;
    return wire;
  }

  get url() {
    return `http://127.0.0.1:${this.port}/`;
  }

  accept(socket) {
    socket.on('error', () => {});
    if (!this.whole) {
      socket.resetAndDestroy();
      return;
    }
    const onward = net.connect(this.target, '127.0.0.1');
    const pair = [socket, onward];
    this.pairs.add(pair);
    onward.on('error', () => {});
    socket.pipe(onward).pipe(socket);
    const end = () => {
      this.pairs.delete(pair);
      pair.forEach((each) => each.destroy());
    };
    socket.on('close', end);
    onward.on('close', end);
  }

  /** Breaks what is open and lets nothing new through. */
  cut() {
    this.whole = false;
    for (const pair of this.pairs) pair.forEach((socket) => socket.resetAndDestroy());
  }

  mend() {
    this.whole = true;
  }

  close() {
    this.cut();
    this.server.close();
  }
}

// The JavaScript of the protocol's first description, byte for byte (seed.js), must work against the chat. It connects
// to ws://localhost:8080/ws, so Chromium is told that this address is where the server under test listens.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { ChatServer } from '../server.mjs';
import { launch } from './chromium.mjs';

let pages;
let server;
let browser;

before(async () => {
  const script = fs.readFileSync(new URL('seed.js', import.meta.url), 'utf8');
  pages = http.createServer((request, response) => {
    response.setHeader('Content-Type', 'text/html; charset=utf-8');
    response.end(`<!doctype html><title>seed</title><script>\n${script}</script>`);
  });
  await new Promise((resolve) => pages.listen(0, '127.0.0.1', resolve));
  server = await ChatServer.start('--origin', `http://127.0.0.1:${pages.address().port}`);
  browser = await launch(`--host-resolver-rules=MAP localhost:8080 127.0.0.1:${server.port}`);
});
after(async () => {
  await browser?.close();
  pages?.close();
  assert.equal(await server.stop(), 0);
});

async function open() {
  const page = await browser.newPage();
  const lines = [];
  let wake = () => {};
  page.on('console', async (message) => {
    const [what, ...values] = await Promise.all(message.args().map((arg) => arg.jsonValue()));
    lines.push({ what, value: values[0] });
    wake();
  });
  const line = async (what, fits = () => true) => {
    const deadline = Date.now() + 5000;
    for (;;) {
      const found = lines.find((each) => each.what === what && fits(each.value));
      if (found) return found.value;
      if (Date.now() > deadline) throw new Error(`no "${what}" in ${JSON.stringify(lines)}`);
      await new Promise((resolve) => {
        wake = resolve;
        setTimeout(resolve, 100);
      });
    }
  };
  await page.goto(`http://127.0.0.1:${pages.address().port}/`);
  return { page, line, lines };
}

test('connect, subscribe, publish, join and leave with the script unchanged', async () => {
  const one = await open();
  const connected = await one.line('Reply:', (reply) => reply.type === 'connect');
  assert.equal(connected.id, 1);
  assert.equal(connected.data.user, 'user_alice');
  assert.equal(connected.error, undefined);

  await one.page.evaluate(() => subscribe('chat:lobby'));
  const subscribed = await one.line('Reply:', (reply) => reply.type === 'subscribe');
  assert.equal(subscribed.channel, 'chat:lobby');
  assert.equal(subscribed.error, undefined);

  await one.page.evaluate(() => publish('chat:lobby', { text: 'hello' }));
  const published = await one.line('Reply:', (reply) => reply.type === 'publish');
  assert.equal(published.data.offset, 1);
  const message = await one.line('New message:');
  assert.deepEqual(message.data, { text: 'hello' });
  assert.equal(message.offset, 1);
  assert.equal(message.info.user, 'user_alice');

  await one.page.evaluate(() => subscribe('public:news'));
  await one.line('Reply:', (reply) => reply.channel === 'public:news' && !reply.error);
  await one.page.evaluate(() => publish('public:news', 'not allowed'));
  const refused = await one.line('Reply:', (reply) => reply.type === 'publish' && reply.error);
  assert.equal(refused.error.code, 103);
  await one.page.close();
});

test('recover: true without a position begins or resumes, and a second user is announced', async () => {
  const one = await open();
  await one.line('Reply:', (reply) => reply.type === 'connect');
  await one.page.evaluate(() => subscribe('chat:seed'));
  await one.line('Reply:', (reply) => reply.type === 'subscribe' && !reply.error);
  const other = await open();
  await other.line('Reply:', (reply) => reply.type === 'connect');
  // The script's user is always user_alice; another one comes over a WebSocket of its own.
  await other.page.evaluate(() => {
    const bob = new WebSocket('ws://localhost:8080/ws');
    window.bob = bob;
    bob.onopen = () => {
      bob.send('{"id":1,"type":"connect","data":{"token":"bob"}}\n{"id":2,"type":"subscribe","channel":"chat:seed"}');
    };
  });
  const joined = await one.line('User joined:', ({ info }) => info.user === 'bob');
  assert.equal(joined.info.user, 'bob');
  await other.page.evaluate(() => window.bob.close());
  await one.line('User left:', ({ info }) => info.user === 'bob');
});

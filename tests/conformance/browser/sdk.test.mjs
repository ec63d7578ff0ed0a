// The chat's page with Centrifugo's JavaScript SDK in place of its own client.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { NativeClient } from '../native.mjs';
import { ChatServer, sleep } from '../server.mjs';
import { Wire, launch, screenshot } from './chromium.mjs';
import { numbered, publishMany, room, say, texts } from './page.mjs';

const SDK = fs.readFileSync(new URL('node_modules/centrifuge/dist/centrifuge.js', import.meta.url), 'utf8');
let server;
let browser;
const errors = [];

before(async () => {
  server = await ChatServer.start('--set', 'publish_rate=0');
  browser = await launch();
});
after(async () => {
  await browser?.close();
  assert.equal(await server.stop(), 0);
  assert.deepEqual(errors, []);
});

async function open(url, user, sdk = 'centrifuge', without = []) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 760 } });
  const page = await context.newPage();
  page.sent = [];
  await page.addInitScript((names) => names.forEach((name) => delete globalThis[name]), without);
  page.requested = [];
  page.on('request', (request) => page.requested.push(new URL(request.url()).pathname));
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('websocket', (socket) => socket.on('framesent', ({ payload }) => page.sent.push(payload)));
  await page.route('**/centrifuge.js', (route) => route.fulfill({ body: SDK, contentType: 'text/javascript' }));
  await page.goto(`${url}?user=${user}&sdk=${sdk}`);
  await page.waitForSelector('#status[data-state=connected]', { state: 'attached' });
  return page;
}

test('the SDK and the chat\'s own client in one room: messages, joining, leaving, presence', async () => {
  const alice = await open(server.url, 'alice');
  assert.match(alice.sent[0], /^\{"connect":\{"token":"alice","name":"js"\},"id":1\}/);
  const bob = await open(server.url, 'bob', '');
  await alice.waitForSelector('.note:has-text("bob joined")');
  await say(alice, 'Written through the SDK: Привет 🙂');
  await bob.waitForSelector('.message:not(.own):has-text("through the SDK: Привет 🙂")');
  await say(bob, 'Read by it.');
  await alice.waitForSelector('.message:not(.own):has-text("Read by it.")');
  assert.equal(await alice.locator('.message.own:not(.pending)').count(), 1);
  await alice.waitForFunction(() => document.querySelector('#people-count').textContent === '2 online');
  assert.deepEqual(await alice.locator('#people-list .who').allTextContents(), ['alice', 'bob']);
  await screenshot(alice, 'sdk-two-people');
  await bob.context().close();
  await alice.waitForSelector('.note:has-text("bob left")');
  await alice.reload();
  await alice.waitForSelector('.message:has-text("Read by it.")');
  await alice.context().close();
});

test('a group and direct messages: the server subscribes the SDK', async () => {
  const [carol, dave] = [await open(server.url, 'carol'), await open(server.url, 'dave')];
  await carol.click('#new-group');
  await carol.fill('#group-name', 'Trip');
  await carol.fill('#group-others', 'dave');
  await carol.click('#group-dialog button.primary');
  await dave.click('.room-button:has-text("Trip")');
  await say(carol, 'Who comes?');
  await dave.waitForSelector('.message:has-text("Who comes?")');
  await say(dave, 'I do.');
  await carol.waitForSelector('.message:has-text("I do.")');
  await carol.context().close();
  await dave.context().close();
});

for (const [path, without] of [['/connection/http_stream', ['WebSocket']], ['/connection/sse', ['WebSocket', 'ReadableStream']]])
  test(`where there is no WebSocket: ${path}`, { timeout: 60000 }, async () => {
    const wire = await Wire.to(server.port);
    const page = await open(wire.url, 'judy', 'centrifuge', without);
    assert.ok(page.requested.includes(path));
    await room(page, path.slice(12));
    const other = await open(server.url, 'kim', '');
    await room(other, path.slice(12));
    await say(page, 'one');
    await other.waitForSelector('.message:has-text("one")');
    wire.cut();
    await say(other, 'two');
    await other.waitForSelector('.message:not(.pending):has-text("two")');
    wire.mend();
    await page.waitForSelector('.message:not(.pending):has-text("two")', { timeout: 30000 });
    assert.deepEqual(await texts(page), ['one', 'two']);
    await page.context().close();
    await other.context().close();
    wire.close();
  });

test('1,000 messages around a lost connection are shown once and in order', { timeout: 120000 }, async () => {
  const wire = await Wire.to(server.port);
  const page = await open(wire.url, 'erin');
  await room(page, 'thousand');
  const writer = await NativeClient.connect(WebSocket, server.ws, 'frank');
  await writer.command('subscribe', 'chat:thousand');
  await page.waitForSelector('.note:has-text("frank joined")');
  await publishMany(writer, 'chat:thousand', -99, 0);
  await page.waitForSelector('.message:has-text("m0")');

  const during = publishMany(writer, 'chat:thousand', 1, 600);
  wire.cut();
  await during;
  await publishMany(writer, 'chat:thousand', 601, 1000);
  await page.waitForSelector('#banner[data-kind=bad]');
  await say(page, 'written while offline');
  assert.equal(await page.locator('.message.pending').count(), 1);
  wire.mend();
  await page.click('#banner-retry', { timeout: 2000 }).catch(() => {}); // it may have come back by itself
  await page.waitForSelector('#banner[data-kind=good]:has-text("Recovered")', { state: 'attached', timeout: 30000 });
  await screenshot(page, 'sdk-recovered');
  await page.waitForFunction(() => document.querySelectorAll('.message.pending').length === 0);
  const expected = [...numbered(-99, 1000), 'written while offline'];
  await page.waitForFunction((count) => document.querySelectorAll('.message').length >= count, expected.length);
  assert.deepEqual(await texts(page), expected);
  await writer.close();
  await page.context().close();
  wire.close();
});

test('a server that is killed and comes back without its memory', { timeout: 60000 }, async () => {
  const first = await ChatServer.start();
  const wire = await Wire.to(first.port);
  const page = await open(wire.url, 'ivan');
  await say(page, 'before');
  await page.waitForSelector('.message:not(.pending):has-text("before")');
  assert.equal(await first.stop('SIGKILL'), 'SIGKILL');
  await page.waitForSelector('#banner[data-kind=bad]');
  const second = await ChatServer.start();
  wire.target = second.port;
  await page.waitForSelector('.note.bad:has-text("history was read again")', { timeout: 30000 });
  await say(page, 'after');
  await page.waitForSelector('.message:not(.pending):has-text("after")');
  assert.deepEqual(await texts(page), ['before', 'after']);
  await sleep(100);
  assert.equal(await second.stop(), 0);
  await page.context().close();
  wire.close();
});

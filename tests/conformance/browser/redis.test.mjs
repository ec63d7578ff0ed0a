// Two chat servers on one Redis, and pages in Chromium at both: one chat, whoever of the three is killed.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { NativeClient } from '../native.mjs';
import { Redis } from '../redis.mjs';
import { ChatServer } from '../server.mjs';
import { Wire, launch, screenshot } from './chromium.mjs';
import { numbered, open as openPage, publishMany, room, say, texts } from './page.mjs';

let redis;
let servers;
let browser;
const errors = [];

const start = () => ChatServer.start('--redis', redis.url, '--set', 'publish_rate=0');
const open = (url, user, options) => openPage(browser, errors, url, user, options);
const hears = (page, text) => page.waitForSelector(`.message:not(.own):has-text("${text}")`);
const shows = (page, count) =>
  page.waitForFunction((n) => document.querySelectorAll('.message:not(.pending)').length >= n, count, { timeout: 30000 });
const close = (...pages) => Promise.all(pages.map((page) => page.context().close()));

before(async () => {
  redis = await Redis.start();
  servers = await Promise.all([start(), start()]);
  browser = await launch();
});
after(async () => {
  await browser?.close();
  for (const server of servers) assert.equal(await server.stop(), 0);
  await redis.stop();
  assert.deepEqual(errors, []);
});

test('people of both servers are in one room', async () => {
  const anna = await open(servers[0].url, 'anna');
  const ben = await open(servers[1].url, 'ben', { colorScheme: 'dark' });
  await anna.waitForSelector('.note:has-text("ben joined")');
  await say(anna, 'I am at the first server.');
  await hears(ben, 'first server');
  await say(ben, 'And I at the second one.');
  await hears(anna, 'second one');
  for (const page of [anna, ben]) {
    await page.waitForFunction(() => document.querySelector('#people-count').textContent === '2 online');
    assert.deepEqual(await page.locator('#people-list .who').allTextContents(), ['anna', 'ben']);
  }
  await screenshot(anna, 'redis-anna');
  await screenshot(ben, 'redis-ben');
  await ben.locator('#people-list .person', { has: ben.locator('.who:text-is("anna")') }).getByRole('button').click();
  await ben.waitForFunction(() => document.querySelector('#room-name').textContent === 'anna');
  await say(ben, 'A word in private');
  await anna.waitForSelector('.room-button:has-text("ben") .badge');
  await anna.click('.room-button:has-text("ben")');
  await hears(anna, 'in private');
  await close(anna, ben);
});

test('a server that is killed is left for the other one, and nothing is missed', async () => {
  const third = await start();
  const wire = await Wire.to(third.port);
  const page = await open(wire.url, 'cleo');
  const other = await NativeClient.connect(WebSocket, servers[0].ws, 'dan');
  await room(page, 'moving');
  await other.command('subscribe', 'chat:moving', {});
  await publishMany(other, 'chat:moving', 1, 10);
  await shows(page, 10);
  wire.target = servers[1].port;
  third.process.kill('SIGKILL');
  await third.exited;
  await publishMany(other, 'chat:moving', 11, 300);
  await page.waitForSelector('#status[data-state=connected]', { state: 'attached' });
  await shows(page, 300);
  assert.deepEqual(await texts(page), numbered(1, 300));
  other.close();
  wire.close();
  await close(page);
});

test('Redis may be killed: pages stay connected, and what was said is there when it is back', async () => {
  const anna = await open(servers[0].url, 'anna');
  const ben = await open(servers[1].url, 'ben');
  for (const page of [anna, ben]) await room(page, 'patience');
  await say(anna, 'before');
  await hears(ben, 'before');
  await redis.kill();
  await say(anna, 'meanwhile');
  await anna.waitForSelector('.message.own.pending:has-text("meanwhile")');
  await redis.begin();
  await hears(ben, 'meanwhile');
  await say(ben, 'after');
  await hears(anna, 'after');
  for (const page of [anna, ben]) assert.deepEqual(await texts(page), ['before', 'meanwhile', 'after']);
  await close(anna, ben);
});

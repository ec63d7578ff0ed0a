// The chat's page in Chromium: two people, lost connections, recovery.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { NativeClient } from '../native.mjs';
import { ChatServer, sleep } from '../server.mjs';
import { Wire, launch, screenshot } from './chromium.mjs';
import { numbered, open as openPage, publishMany, room, say, texts } from './page.mjs';

const LOBBY = 'chat:lobby';
let server;
let browser;
let errors = [];

before(async () => {
  server = await ChatServer.start('--set', 'publish_rate=0');
  browser = await launch();
});
after(async () => {
  await browser?.close();
  assert.equal(await server.stop(), 0);
  assert.deepEqual(errors, []);
});

const open = (url, user, options) => openPage(browser, errors, url, user, options);

test('signing in with a name, and as a guest', async () => {
  const page = await (await browser.newContext()).newPage();
  await page.goto(server.url);
  await screenshot(page, 'sign-in');
  await page.fill('#login-name', 'zoe');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#status[data-state=connected]');
  assert.equal(await page.textContent('#room-name'), 'lobby');
  await page.click('#sign-out');
  await page.click('#login-guest');
  await page.waitForSelector('#status[data-state=connected]');
  assert.equal(await page.textContent('#room-name'), 'news');
  assert.ok(await page.isHidden('#composer'));
  assert.ok(await page.isVisible('#read-only'));
  await page.waitForSelector('.message.host');
  await page.context().close();
});

test('two people chat; joining, leaving and presence are seen', async () => {
  const alice = await open(server.url, 'alice');
  const bob = await open(server.url, 'bob', { colorScheme: 'dark' });
  await alice.waitForSelector('.note:has-text("bob joined")');
  await say(alice, 'Hello Bob, is this thing working?');
  await bob.waitForSelector('.message:not(.own):has-text("Hello Bob")');
  await say(bob, 'It is. Two browsers, one small C program.');
  await alice.waitForSelector('.message:not(.own):has-text("It is.")');
  await say(alice, 'And this is <b>only text</b> <img src=x onerror="document.title=1">');
  await bob.waitForSelector('.message:has-text("<b>only text</b>")');
  assert.equal(await bob.locator('.text b, .text img').count(), 0);
  assert.equal(await alice.locator('.message.own:not(.pending)').count(), 2);
  assert.deepEqual(await alice.locator('#people-list .who').allTextContents(), ['alice', 'bob']);
  assert.equal(await bob.textContent('#people-count'), '2 online');
  await screenshot(alice, 'two-people-light');
  await screenshot(bob, 'two-people-dark');
  await bob.setViewportSize({ width: 390, height: 760 });
  await screenshot(bob, 'narrow');
  await bob.context().close();
  await alice.waitForSelector('.note:has-text("bob left")');
  assert.equal(await alice.textContent('#people-count'), '1 online');
  await alice.context().close();
});

test('a room that is not looked at counts what is unread', async () => {
  const carol = await open(server.url, 'carol');
  await room(carol, 'unread-test');
  const writer = await NativeClient.connect(WebSocket, server.ws, 'dave');
  await writer.command('subscribe', LOBBY);
  await publishMany(writer, LOBBY, 1, 3);
  await carol.waitForSelector('.room-button.unread:has-text("lobby") .badge:has-text("3")');
  assert.match(await carol.title(), /^\(3\)/);
  await carol.keyboard.press('Alt+ArrowUp');
  await carol.waitForSelector('.unread-line');
  assert.equal(await carol.locator('.unread-line ~ .message').count(), 3);
  assert.equal(await carol.locator('.room-button.unread').count(), 0);
  await screenshot(carol, 'unread');
  await writer.close();
  await carol.context().close();
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
  await screenshot(page, 'lost');
  await say(page, 'written while offline');
  assert.equal(await page.locator('.message.pending').count(), 1);

  wire.mend();
  await page.click('#banner-retry', { timeout: 2000 }).catch(() => {}); // it may have come back by itself
  await page.waitForSelector('#banner[data-kind=good]:has-text("Recovered")', { state: 'attached', timeout: 30000 });
  await screenshot(page, 'recovered');
  await page.waitForFunction(() => document.querySelectorAll('.message.pending').length === 0);
  const expected = [...numbered(-99, 1000), 'written while offline'];
  await page.waitForFunction((count) => document.querySelectorAll('.message').length >= count, expected.length);
  assert.deepEqual(await texts(page), expected);
  await writer.until((push) => push.data?.data?.text === 'written while offline');
  assert.equal(writer.pushes.filter((push) => push.data?.data?.text === 'written while offline').length, 1);

  await page.reload();
  await page.waitForSelector('.message:has-text("written while offline")');
  assert.equal(await page.textContent('#room-name'), 'thousand');
  for (let shown = 0; await page.isVisible('#older'); ) {
    await page.click('#older');
    const before = shown;
    await page.waitForFunction((n) => document.querySelectorAll('.message').length > n || document.querySelector('#older').hidden, before);
    shown = await page.locator('.message').count();
  }
  assert.deepEqual((await texts(page)).slice(-1000), expected.slice(-1000));
  await writer.close();
  await page.context().close();
  wire.close();
});

test('several lost connections in the middle of a stream', { timeout: 120000 }, async () => {
  const wire = await Wire.to(server.port);
  const page = await open(wire.url, 'gina');
  await room(page, 'stream');
  const writer = await NativeClient.connect(WebSocket, server.ws, 'hugo');
  await writer.command('subscribe', 'chat:stream');
  for (let i = 0; i < 10; i++) {
    await publishMany(writer, 'chat:stream', i * 50 + 1, i * 50 + 50);
    if (i % 3 === 1) {
      wire.cut();
      await sleep(50);
      wire.mend();
    }
    await sleep(150);
  }
  await page.waitForFunction(() => document.querySelectorAll('.message').length >= 500, null, { timeout: 60000 });
  assert.deepEqual(await texts(page), numbered(1, 500));
  await writer.close();
  await page.context().close();
  wire.close();
});

test('a server that lost its memory: the page says so and reads the history again', { timeout: 60000 }, async () => {
  const first = await ChatServer.start();
  const wire = await Wire.to(first.port);
  const page = await open(wire.url, 'ivan');
  await say(page, 'before');
  await page.waitForSelector('.message:not(.pending):has-text("before")');
  assert.equal(await first.stop(), 0);
  await page.waitForSelector('#banner[data-kind=bad]');
  const second = await ChatServer.start();
  wire.target = second.port;
  await page.waitForSelector('#banner:has-text("not everything could be recovered")', { state: 'attached', timeout: 30000 });
  await page.waitForSelector('.note.bad:has-text("history was read again")');
  await say(page, 'after');
  await page.waitForSelector('.message:not(.pending):has-text("after")');
  assert.deepEqual(await texts(page), ['before', 'after']);
  await screenshot(page, 'not-recovered');
  assert.equal(await second.stop(), 0);
  await page.context().close();
  wire.close();
});

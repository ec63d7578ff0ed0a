// The chat's page in Chromium: groups, direct messages, a moderator, and unread counts that survive a reload.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ChatServer } from '../server.mjs';
import { launch, screenshot } from './chromium.mjs';
import { open as openPage, room, say as sayInPage } from './page.mjs';

const ACKED = 600; // the page has told the broker what was read
let server;
let browser;
const errors = [];

before(async () => {
  server = await ChatServer.start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  assert.equal(await server.stop(), 0);
  assert.deepEqual(errors, []);
});

const open = (user, options) => openPage(browser, errors, server.url, user, options);

async function say(page, text) {
  await sayInPage(page, text);
  await page.waitForSelector(`.message.own:not(.pending):has-text("${text}")`);
}

const titled = (page, title) =>
  page.waitForFunction((text) => document.querySelector('#room-name').textContent === text, title);
const hears = (page, text) => page.waitForSelector(`.message:not(.own):has-text("${text}")`);
const unread = (page, title, count) => page.waitForSelector(`.room-button:has-text("${title}") .badge:text-is("${count}")`);
const nothingUnread = (page, title) => page.waitForSelector(`.room-button:not(.unread):has-text("${title}")`);
const enter = (page, title) => page.click(`.room-button:has-text("${title}")`);
const person = (page, name) => page.locator('#people-list .person', { has: page.locator(`.who:text-is("${name}")`) });
const known = (page, name) => person(page, name).waitFor();

async function makeGroup(page, name, members, others = '') {
  await page.click('#new-group');
  await page.fill('#group-name', name);
  for (const member of members) await page.click(`.choice:has-text("${member}")`);
  await page.fill('#group-others', others);
  await screenshot(page, 'new-group');
  await page.press('#group-name', 'Enter');
  await titled(page, name);
}

const close = (...pages) => Promise.all(pages.map((page) => page.context().close()));

test('a group: members online are in at once, others when they come, and who leaves is out', async () => {
  const anna = await open('anna');
  const ben = await open('ben', { colorScheme: 'dark' });
  await known(anna, 'ben');
  await room(ben, 'elsewhere');
  await makeGroup(anna, 'Weekend trip', ['ben'], 'cleo, anna');
  await ben.waitForSelector('#groups .room-button:has-text("Weekend trip")');
  await say(anna, 'Shall we take the early train?');
  await unread(ben, 'Weekend trip', 4); // made, two added, one message
  assert.equal(await ben.textContent('#room-name'), 'elsewhere');
  await enter(ben, 'Weekend trip');
  await hears(ben, 'early train');
  await nothingUnread(ben, 'Weekend trip');
  await say(ben, 'Only if somebody wakes me.');
  await hears(anna, 'wakes me');
  await anna.waitForSelector('#people-list .person.offline:has-text("cleo")');
  assert.equal(await anna.textContent('#people-title'), 'Members');
  assert.equal(await anna.textContent('#people-number'), '3');
  await screenshot(ben, 'group-dark');

  const cleo = await open('cleo');
  await unread(cleo, 'Weekend trip', 5);
  await enter(cleo, 'Weekend trip');
  await hears(cleo, 'wakes me');
  assert.equal(await cleo.locator('.note:has-text("anna added cleo")').count(), 1);
  await cleo.fill('#add-member-name', 'dave');
  await cleo.press('#add-member-name', 'Enter');
  await anna.waitForSelector('.note:has-text("cleo added dave")');
  await anna.waitForSelector('#people-list .person.offline:has-text("dave")');

  await ben.hover('#groups li');
  await ben.click('#groups .leave');
  await ben.waitForSelector('#groups li', { state: 'detached' });
  await titled(ben, 'lobby');
  await anna.waitForSelector('.note:has-text("ben left the group")');
  await person(anna, 'ben').waitFor({ state: 'detached' });
  await ben.reload();
  await ben.waitForSelector('#status[data-state=connected]');
  assert.equal(await ben.locator('#groups li').count(), 0);
  await close(anna, ben, cleo);
});

test('a direct message: the other one sees it in another room, and after having been away', async () => {
  const emma = await open('emma');
  const finn = await open('finn');
  await known(emma, 'finn');
  await room(finn, 'busy');
  await person(emma, 'finn').getByRole('button').click();
  await titled(emma, 'finn');
  assert.equal(await finn.locator('#dms li:visible').count(), 0);
  await say(emma, 'Do you have a minute?');
  await unread(finn, 'emma', 1);
  assert.match(await finn.title(), /^\(1\)/);
  await finn.reload();
  await unread(finn, 'emma', 1);
  assert.equal(await finn.textContent('#room-name'), 'busy');
  await enter(finn, 'emma');
  await hears(finn, 'a minute');
  await finn.waitForSelector('.unread-line');
  await say(finn, 'For you always.');
  await hears(emma, 'For you always.');
  await finn.waitForTimeout(ACKED);
  await close(finn);

  await say(emma, 'Where have you gone?');
  const back = await open('finn');
  await unread(back, 'emma', 1);
  await enter(back, 'emma');
  await hears(back, 'Where have you gone?');
  assert.equal(await back.locator('.unread-line ~ .message').count(), 1);
  await nothingUnread(back, 'emma');
  await close(emma, back);
});

test('unread counts survive a reload, and so does having read', async () => {
  const gus = await open('gus');
  const hana = await open('hana');
  await room(hana, 'counting');
  await room(gus, 'counting');
  await say(gus, 'one');
  await hears(hana, 'one');
  await enter(hana, 'lobby');
  await say(gus, 'two');
  await say(gus, 'three');
  await unread(hana, 'counting', 2);
  await hana.reload();
  await unread(hana, 'counting', 2);
  assert.equal(await hana.textContent('#room-name'), 'lobby');
  await enter(hana, 'counting');
  await hana.waitForSelector('.unread-line');
  assert.deepEqual(await hana.locator('.unread-line ~ .message .text').allTextContents(), ['two', 'three']);
  await hana.waitForTimeout(ACKED);
  await enter(hana, 'lobby');
  await hana.reload();
  await hana.waitForSelector('#status[data-state=connected]');
  await hana.waitForTimeout(300);
  assert.equal(await hana.locator('.room-button.unread').count(), 0);
  await close(gus, hana);
});

test('what was said before the first visit is not unread', async () => {
  const ines = await open('ines');
  await room(ines, 'older');
  await say(ines, 'long ago');
  const jon = await open('jon');
  await room(jon, 'older');
  await hears(jon, 'long ago');
  await jon.waitForTimeout(200);
  assert.equal(await jon.locator('.unread-line').count(), 0);
  assert.equal(await jon.locator('.room-button.unread').count(), 0);
  await close(ines, jon);
});

test('a moderator removes somebody, who sees why, cannot come back, and is let in again', async () => {
  const admin = await open('admin');
  const karl = await open('karl', { colorScheme: 'dark' });
  await karl.waitForSelector('#people-list .person:has-text("admin") .tag:has-text("moderator")');
  assert.equal(await karl.locator('.remove').count(), 0);
  await say(karl, 'Buy my watches');
  await hears(admin, 'watches');
  await person(admin, 'karl').hover();
  await screenshot(admin, 'moderator');
  await person(admin, 'karl').locator('.remove').click();
  await karl.waitForSelector('.note.bad:has-text("A moderator removed you from this room")');
  await karl.waitForSelector('#read-only-text:has-text("A moderator removed you from this room")');
  assert.ok(await karl.isHidden('#composer'));
  await screenshot(karl, 'removed');
  await admin.waitForSelector('.note:has-text("admin removed karl")');
  await person(admin, 'karl').waitFor({ state: 'detached' });

  await karl.click('#read-only-retry');
  await karl.waitForFunction(() => document.querySelectorAll('.note.bad').length === 2);
  await karl.reload();
  await karl.waitForSelector('#read-only-text:has-text("A moderator removed you from this room")');
  assert.equal(await karl.locator('.message').count(), 0);
  await say(admin, 'Peace at last.');
  await room(karl, 'elsewhere');
  await say(karl, 'I can still talk here.');
  await enter(karl, 'lobby');

  await admin.waitForSelector('#removed-list:has-text("karl")');
  await screenshot(admin, 'removed-list');
  await admin.click('#removed-list .restore');
  await karl.waitForSelector('.note.good');
  await say(karl, 'I am sorry.');
  await hears(admin, 'I am sorry.');
  assert.ok(await admin.isHidden('#removed'));
  await close(admin, karl);
});

test('a moderator removes somebody from a group: it disappears, with a word why', async () => {
  const admin = await open('admin');
  const lena = await open('lena');
  await known(admin, 'lena');
  await makeGroup(admin, 'Staff', ['lena']);
  await enter(lena, 'Staff');
  await titled(lena, 'Staff');
  await person(admin, 'lena').hover();
  await person(admin, 'lena').locator('.remove').click();
  await lena.waitForSelector('#banner:has-text("no longer in the group \u201cStaff\u201d. A moderator removed you")', { state: 'attached' });
  await titled(lena, 'lobby');
  assert.equal(await lena.locator('#groups li').count(), 0);
  await admin.fill('#add-member-name', 'lena');
  await admin.press('#add-member-name', 'Enter');
  await admin.waitForSelector('#banner:has-text("a moderator has removed this user")', { state: 'attached' });
  await close(admin, lena);
});

test('a room where one was added is recovered like others after the server ended', { timeout: 60000 }, async () => {
  const page = await open('mona');
  await makeGroup(page, 'Lost', []);
  await say(page, 'still here');
  await page.reload();
  await titled(page, 'Lost');
  await page.waitForSelector('.message.own:has-text("still here")');
  await page.waitForSelector('.room-button.unread', { state: 'detached' });
  await close(page);
});

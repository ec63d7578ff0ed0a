// The methods of the chat: groups, direct messages, moderation, unread counts, and what is refused.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { NativeClient } from '../native.mjs';
import { ChatServer } from '../server.mjs';

let server;
before(async () => {
  server = await ChatServer.start();
});
after(async () => {
  assert.equal(await server.stop(), 0);
});

const join = (token) => NativeClient.connect(WebSocket, server.ws, token);
const call = async (client, method, data) => (await client.command('rpc', undefined, { method, data })).data;
const subscribed = (channel) => (push) => push.type === 'subscribe' && push.channel === channel;
const unsubscribed = (channel) => (push) => push.type === 'unsubscribe' && push.channel === channel;
const event = (channel, what) => (push) => push.channel === channel && push.data?.data?.event === what;
const close = (...clients) => Promise.all(clients.map((client) => client.close()));

test('a group: made, entered, listed, left', async () => {
  const [anna, ben, cleo] = await Promise.all(['anna', 'ben', 'cleo'].map(join));
  const { channel } = await call(anna, 'create_group', { name: 'The "team" \u{1F600}' });
  assert.match(channel, /^group:[0-9a-f]{32}$/);
  await anna.until(subscribed(channel));
  await assert.rejects(ben.command('subscribe', channel), { code: 103 });
  await assert.rejects(call(ben, 'list_members', { channel }), { code: 103, message: /not a member/ });
  await assert.rejects(call(ben, 'group_info', { channel }), { code: 103 });
  await assert.rejects(call(ben, 'add_member', { channel, user: 'ben' }), { code: 103 });

  await anna.command('publish', channel, { data: 'before ben' });
  await call(anna, 'add_member', { channel, user: 'ben' });
  const push = await ben.until(subscribed(channel));
  assert.equal(push.data.unread, push.data.offset);
  await assert.rejects(call(anna, 'add_member', { channel, user: 'ben' }), { code: 409 });
  assert.deepEqual(await call(ben, 'group_info', { channel }), { name: 'The "team" \u{1F600}', owner: 'anna' });
  assert.deepEqual((await call(ben, 'list_members', { channel })).names, ['anna', 'ben']);
  assert.deepEqual((await call(ben, 'list_groups')).names, [channel]);
  assert.deepEqual((await call(cleo, 'list_groups')).names, []);
  await anna.command('publish', channel, { data: 'hello ben' });
  await ben.until((each) => each.type === 'message' && each.data.data === 'hello ben');

  await call(ben, 'leave_group', { channel });
  assert.equal((await ben.until(unsubscribed(channel))).data.code, 2000);
  await anna.until(event(channel, 'left'));
  await assert.rejects(call(ben, 'leave_group', { channel }), { code: 404 });
  await call(anna, 'leave_group', { channel });
  await assert.rejects(call(anna, 'leave_group', { channel }), { code: 404 });
  await close(anna, ben, cleo);
});

test('a direct message reaches somebody who never opened the conversation', async () => {
  const [dora, emil, fred] = await Promise.all(['dora', 'emil', 'fred'].map(join));
  const { channel } = await call(dora, 'open_dm', { user: 'emil' });
  assert.equal(channel, 'dm:dora,emil');
  assert.deepEqual(await call(emil, 'open_dm', { user: 'dora' }), { channel });
  await dora.command('publish', channel, { data: 'psst' });
  assert.equal((await emil.until(subscribed(channel))).data.offset, 0);
  await emil.until((push) => push.type === 'message' && push.data.data === 'psst');
  assert.equal((await emil.command('unread', channel)).unread, 1);
  await emil.command('ack', channel, { offset: 1 });
  assert.equal((await emil.command('unread', channel)).unread, 0);
  await assert.rejects(fred.command('subscribe', channel), { code: 103 });
  await assert.rejects(fred.command('publish', channel, { data: 1 }), { code: 103 });
  await close(dora, emil, fred);
});

test('who is not there finds the conversation in the own channel, noted once', async () => {
  const gita = await join('gita');
  for (let i = 0; i < 3; i++) await call(gita, 'open_dm', { user: 'hans,%' });
  await gita.command('publish', 'dm:gita,hans%2C%25', { data: 'are you there?' });
  const hans = await join('hans,%');
  await hans.command('subscribe', 'user:hans,%');
  const { publications } = await hans.command('history', 'user:hans,%');
  assert.deepEqual(publications.map(({ data }) => data), [{ type: 'dm', channel: 'dm:gita,hans%2C%25' }]);
  assert.equal((await hans.command('subscribe', 'dm:gita,hans%2C%25')).unread, 1);
  await assert.rejects(gita.command('subscribe', 'user:hans,%'), { code: 103 });
  await assert.rejects(hans.command('publish', 'user:hans,%', { data: 1 }), { code: 103 });
  await close(gita, hans);
});

test('a moderator removes somebody from a room, and lets them back in', async () => {
  const [admin, ida] = await Promise.all(['admin', 'ida'].map(join));
  assert.deepEqual(admin.hello.data, { moderator: true });
  assert.equal(ida.hello.data, undefined);
  await admin.command('subscribe', 'chat:mod');
  await ida.command('subscribe', 'chat:mod');
  await ida.command('subscribe', 'user:ida');
  assert.deepEqual(await call(ida, 'why', { channel: 'chat:mod' }), { text: '' });
  await assert.rejects(call(ida, 'kick', { channel: 'chat:mod', user: 'admin' }), { code: 103, message: /only moderators/ });
  await call(admin, 'kick', { channel: 'chat:mod', user: 'ida' });
  await ida.until(unsubscribed('chat:mod'));
  assert.equal(ida.pushes.filter(unsubscribed('chat:mod')).length, 1);
  await admin.until(event('chat:mod', 'removed'));
  await assert.rejects(ida.command('subscribe', 'chat:mod'), { code: 103 });
  await assert.rejects(ida.command('publish', 'chat:mod', { data: 1 }), { code: 103 });
  assert.match((await call(ida, 'why', { channel: 'chat:mod' })).text, /moderator removed you/);
  await ida.command('subscribe', 'chat:elsewhere');
  await call(admin, 'unkick', { channel: 'chat:mod', user: 'ida' });
  await ida.until((push) => push.channel === 'user:ida' && push.data.data?.type === 'restored');
  await ida.command('subscribe', 'chat:mod');
  await assert.rejects(call(admin, 'unkick', { channel: 'chat:mod', user: 'ida' }), { code: 404 });
  await close(admin, ida);
});

test('a moderator removes somebody from a group, whom nobody can add then', async () => {
  const [admin, jana, karl] = await Promise.all(['admin', 'jana', 'karl'].map(join));
  const { channel } = await call(jana, 'create_group', { name: 'quiet' });
  await call(jana, 'add_member', { channel, user: 'karl' });
  await karl.until(subscribed(channel));
  await call(admin, 'kick', { channel, user: 'karl' });
  assert.equal((await karl.until(unsubscribed(channel))).data.code, 2000);
  await assert.rejects(call(jana, 'add_member', { channel, user: 'karl' }), { code: 103, message: /moderator/ });
  await call(admin, 'unkick', { channel, user: 'karl' });
  await call(jana, 'add_member', { channel, user: 'karl' });
  assert.deepEqual((await call(karl, 'list_members', { channel })).names, ['jana', 'karl']);
  await close(admin, jana, karl);
});

test('a moderator may publish where others may only read', async () => {
  const admin = await join('admin');
  await admin.command('subscribe', 'public:news');
  assert.ok((await admin.command('publish', 'public:news', { data: { text: 'Tea is ready.' } })).offset > 0);
  await admin.close();
});

test('what was read is kept for the user, not for the connection', async () => {
  const writer = await join('lena');
  await writer.command('subscribe', 'chat:read');
  for (let i = 1; i <= 5; i++) await writer.command('publish', 'chat:read', { data: i });
  const first = await join('max');
  assert.equal((await first.command('subscribe', 'chat:read')).unread, 5);
  assert.equal((await first.command('unread', 'chat:read')).epoch, '');
  await first.command('ack', 'chat:read', { offset: 3 });
  await first.close();
  const second = await join('max');
  assert.equal((await second.command('subscribe', 'chat:read')).unread, 2);
  await second.command('ack', 'chat:read', { offset: 1 });
  assert.equal((await second.command('unread', 'chat:read')).unread, 2);
  await close(writer, second);
});

const REFUSED = [
  ['nobody', 'no such method', {}, 104],
  ['nobody', 'create_grou', { name: 'x' }, 104],
  ['nobody', 'create_group', undefined, 107],
  ['nobody', 'create_group', {}, 107],
  ['nobody', 'create_group', { name: '' }, 107],
  ['nobody', 'create_group', { name: 5 }, 107],
  ['nobody', 'create_group', { name: null }, 107],
  ['nobody', 'create_group', { name: { name: 'x' } }, 107],
  ['nobody', 'create_group', ['name', 'x'], 107],
  ['nobody', 'create_group', 'name', 107],
  ['nobody', 'create_group', { name: 'x', more: 1 }, 107],
  ['nobody', 'create_group', { name: 'x'.repeat(65) }, 107],
  ['nobody', 'create_group', { name: '\u00e9'.repeat(33) }, 107],
  ['nobody', 'create_group', { name: 'a\u0000b' }, 107],
  ['nobody', 'create_group', { name: 'a\nb' }, 107],
  ['nobody', 'add_member', { user: 'x' }, 107],
  ['nobody', 'add_member', { channel: 'group:none' }, 107],
  ['nobody', 'add_member', { channel: 'group:none', user: 'x' }, 103],
  ['nobody', 'add_member', { channel: 'chat:lobby', user: 'x' }, 107],
  ['nobody', 'add_member', { channel: 'x'.repeat(300), user: 'x' }, 107],
  ['nobody', 'list_members', { channel: '' }, 107],
  ['nobody', 'list_members', { channel: 'dm:nobody,x' }, 107],
  ['nobody', 'leave_group', { channel: 'group:none' }, 404],
  ['nobody', 'leave_group', { channel: 'chat:lobby' }, 107],
  ['nobody', 'open_dm', { user: 'nobody' }, 107],
  ['nobody', 'open_dm', { user: '\u0007' }, 107],
  ['nobody', 'open_dm', {}, 107],
  ['nobody', 'kick', { channel: 'chat:lobby', user: 'x' }, 103],
  ['nobody', 'unkick', { channel: 'chat:lobby', user: 'x' }, 103],
  ['admin', 'kick', { channel: 'chat:lobby' }, 107],
  ['admin', 'kick', { channel: 'chat:*', user: 'x' }, 107],
  ['admin', 'kick', { channel: 'public:news', user: 'x' }, 107],
  ['admin', 'kick', { channel: 'dm:a,b', user: 'a' }, 107],
  ['admin', 'kick', { channel: 'chat:lobby', user: 'admin' }, 103],
  ['admin', 'unkick', { channel: 'chat:lobby', user: 'x' }, 404],
  ['', 'open_dm', { user: 'x' }, 103],
  ['', 'create_group', { name: 'x' }, 103],
];

for (const [who, method, data, code] of REFUSED) {
  test(`refused to ${who || 'a guest'}: ${method} ${(JSON.stringify(data) ?? '').slice(0, 60)}`, async () => {
    const client = await join(who);
    await assert.rejects(call(client, method, data), { code });
    await client.command('ping');
    await client.close();
  });
}

test('names with control characters, or too long ones, cannot sign in', async () => {
  await assert.rejects(join('a\nb'), { code: 101 });
  await assert.rejects(join('x'.repeat(65)), { code: 101 });
});

test('metrics', async () => {
  const client = await join('nora');
  await client.command('subscribe', 'chat:metrics');
  const response = await fetch(`${server.url}metrics`);
  assert.equal(response.status, 200);
  assert.match(response.headers.get('content-type'), /^text\/plain; version=0\.0\.4/);
  const text = await response.text();
  assert.match(text, /^# HELP streamrelay_/m);
  assert.match(text, /^streamrelay_users 1$/m);
  const head = await fetch(`${server.url}metrics`, { method: 'HEAD' });
  assert.equal(head.status, 200);
  assert.equal((await fetch(`${server.url}metrics2`)).status, 404);
  await client.close();
});

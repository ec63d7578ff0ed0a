// The people of a room, and the dialog that makes a group of some.
import { avatar, element } from './room.js';

/** [{ user, online }], sorted; guests are not among them. */
function peopleIn(room) {
  const online = [...room.people.keys()].filter((user) => user !== '');
  const all = new Set([...online, ...(room.members ?? []), ...(room.kind === 'dm' ? [room.me, room.title] : [])]);
  return [...all]
    .map((user) => ({ user, online: room.people.has(user) }))
    .sort((a, b) => b.online - a.online || a.user.localeCompare(b.user));
}

function action(className, label, text, onClick) {
  const button = element('button', className, text);
  button.type = 'button';
  button.setAttribute('aria-label', label);
  button.title = label;
  button.addEventListener('click', onClick);
  return button;
}

function personItem(room, { user, online }, { me, moderators, mayRemove, onWrite, onRemove }) {
  const item = element('li', online ? 'person' : 'person offline');
  const name = user === me ? element('span', 'who', user) : action('who', `Write to ${user}`, user, () => onWrite(user));
  item.append(avatar(user), name);
  if (user === me) item.append(element('span', 'tag', 'you'));
  else if (moderators.has(user)) item.append(element('span', 'tag', 'moderator'));
  else if (mayRemove) item.append(action('remove', `Remove ${user} from ${room.title}`, 'Remove', () => onRemove(user)));
  return item;
}

function guestItem(count) {
  const item = element('li', 'guests');
  item.append(avatar(''), element('span', 'who', count === 1 ? '1 guest' : `${count.toLocaleString()} guests`));
  return item;
}

function removedItem(room, user, onRestore) {
  const item = element('li', 'person offline');
  item.append(avatar(user), element('span', 'who', user));
  item.append(action('restore', `Let ${user} come back to ${room.title}`, 'Let back in', () => onRestore(user)));
  return item;
}

/** Fill the panel. `tools`: { me, moderators, moderator, onWrite, onRemove, onRestore }. */
export function showPeople(panel, room, tools) {
  const moderated = room.kind === 'chat' || room.kind === 'group';
  const people = peopleIn(room);
  const guests = room.people.get('') ?? 0;
  const mayRemove = tools.moderator && moderated;
  const items = people.map((person) => personItem(room, person, { ...tools, mayRemove }));
  if (guests > 0) items.push(guestItem(guests));
  panel.title.textContent = room.members ? 'Members' : 'Online';
  panel.number.textContent = room.members ? people.length : room.peopleCount;
  panel.list.replaceChildren(...items);
  const removed = mayRemove ? room.removed : [];
  panel.removed.hidden = removed.length === 0;
  panel.removedList.replaceChildren(...removed.map((user) => removedItem(room, user, tools.onRestore)));
  panel.addMember.hidden = room.kind !== 'group' || room.closed !== '';
}

function choice(user) {
  const label = element('label', 'choice');
  const box = element('input');
  box.type = 'checkbox';
  box.name = 'member';
  box.value = user;
  label.append(box, avatar(user), element('span', 'who', user));
  return label;
}

/** Ask for a group's name and members; resolves to { name, members }, or null. `known`: users to choose from. */
export function askForGroup(dialog, known) {
  const form = dialog.querySelector('form');
  form.reset();
  dialog.querySelector('.choices').replaceChildren(...known.map(choice));
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener(
      'close',
      () => {
        const data = new FormData(form);
        const others = String(data.get('others')).split(',').map((name) => name.trim());
        const members = [...new Set([...data.getAll('member').map(String), ...others])].filter(Boolean);
        resolve(dialog.returnValue === 'make' ? { name: String(data.get('name')).trim(), members } : null);
      },
      { once: true },
    );
  });
}

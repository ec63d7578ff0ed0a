// The chat's page, as tests use it.

export async function open(browser, errors, url, user, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 760 }, ...options });
  const page = await context.newPage();
  page.on('pageerror', (error) => errors.push(`${user}: ${error.message}`));
  await page.goto(`${url}?user=${encodeURIComponent(user)}`);
  await page.waitForSelector('#status[data-state=connected]', { state: 'attached' });
  return page;
}

export async function say(page, text) {
  await page.fill('#composer-text', text);
  await page.press('#composer-text', 'Enter');
}

export async function room(page, title) {
  await page.fill('#add-room-name', title);
  await page.press('#add-room-name', 'Enter');
  await page.waitForFunction((name) => document.querySelector('#room-name').textContent === name, title);
}

/** All messages shown, but those that the server has not taken yet. */
export const texts = (page) => page.locator('.message:not(.pending) .text').allTextContents();

export const numbered = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => `m${from + i}`);

export const publishMany = (client, channel, from, to) =>
  Promise.all(numbered(from, to).map((text) => client.command('publish', channel, { data: { text } })));

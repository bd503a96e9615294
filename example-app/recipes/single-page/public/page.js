const getElement = (id) => document.getElementById(id);

/** Calls the API. If the session has ended, shows a button that signs in and returns to this page. */
async function call(path, init) {
  const response = await fetch(path, init);
  if (response.ok) return response.json();
  const { login, title } = await response.json();
  if (response.status !== 401) {
    getElement('who').textContent = title; // for example a 503: the user is still signed in
    throw new Error(title);
  }
  getElement('sign-in').onclick = () => {
    location.href = `${login}?returnTo=${encodeURIComponent(location.pathname + location.hash)}`;
  };
  show(undefined);
  return undefined;
}

function show(me) {
  getElement('who').textContent = me ? `Hello ${me.sub}` : 'Please sign in';
  for (const id of ['sign-out', 'add']) getElement(id).hidden = !me;
  getElement('sign-in').hidden = Boolean(me);
  getElement('notes').replaceChildren(
    ...(me?.notes ?? []).map((note) => Object.assign(document.createElement('li'), { textContent: note })),
  );
}

getElement('add').onsubmit = async (event) => {
  event.preventDefault();
  const { text } = event.target.elements;
  const body = JSON.stringify({ text: text.value });
  await call('/api/notes', { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  text.value = '';
  show(await call('/api/me'));
};

// The response of /logout contains the provider's logout URL, because a fetch cannot go to another site.
getElement('sign-out').onclick = async () => {
  const { logout_url } = await (await fetch('/logout', { method: 'POST' })).json();
  location.href = logout_url;
};

const me = await call('/api/me');
if (me) show(me);

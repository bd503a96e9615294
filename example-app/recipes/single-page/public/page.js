const at = (id) => document.getElementById(id);

/** Calls the API. If the session has ended, shows a button that signs in and returns to this page. */
async function call(path, init) {
  const answer = await fetch(path, init);
  if (answer.ok) return answer.json();
  const { login, title } = await answer.json();
  if (answer.status !== 401) {
    at('who').textContent = title; // such as a 503: the user is still signed in
    throw new Error(title);
  }
  at('sign-in').onclick = () => {
    location.href = `${login}?returnTo=${encodeURIComponent(location.pathname + location.hash)}`;
  };
  show(undefined);
  return undefined;
}

function show(me) {
  at('who').textContent = me ? `Hello ${me.sub}` : 'Please sign in';
  for (const id of ['sign-out', 'add']) at(id).hidden = !me;
  at('sign-in').hidden = Boolean(me);
  at('notes').replaceChildren(
    ...(me?.notes ?? []).map((note) => Object.assign(document.createElement('li'), { textContent: note })),
  );
}

at('add').onsubmit = async (event) => {
  event.preventDefault();
  const { text } = event.target.elements;
  const body = JSON.stringify({ text: text.value });
  await call('/api/notes', { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  text.value = '';
  show(await call('/api/me'));
};

// A script posts to /logout and gets the provider's logout URL: a fetch cannot follow to another site.
at('sign-out').onclick = async () => {
  const { logout_url } = await (await fetch('/logout', { method: 'POST' })).json();
  location.href = logout_url;
};

const me = await call('/api/me');
if (me) show(me);

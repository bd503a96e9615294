import { send } from "../browser.mjs";

/**
 * Sends one request of a session to one process. Compares the response with what the client knows, and counts
 * it.
 *
 * @returns whether the response was successful
 */
export async function visit({ world, tally }, clientSession, app, request) {
  const { waitBefore, waitAfter, useToken, makesChange } = request;
  const plan = clientSession.changes.plan(makesChange);
  const url = new URL("/visit", app.origin);
  const query = { waitBefore, waitAfter, useToken, add: plan.add, remove: plan.remove.join(" ") };
  for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, value);

  const sentAt = performance.now();
  const response = await post(world.agent, url, clientSession.cookie);
  const milliseconds = performance.now() - sentAt;
  tally.requests += 1;
  if (response.status !== 200) {
    clientSession.changes.doubt(plan);
    if (response.status === 401) clientSession.lose(`${app.name} answered ${response.description}`);
    else if (app.name === world.killed?.name) tally.notice("a request that the kill interrupted");
    else tally.notice(`a request that failed: ${response.description}`);
    return false;
  }

  const { found, isRefreshed, millisecondsLeft, rejection, refreshToken } = JSON.parse(response.text);
  for (const lostChange of clientSession.changes.confirm(plan, found))
    tally.addLostChange(`${app.name}, ${clientSession.name}: ${lostChange}`);
  clientSession.refreshTokens.add(refreshToken);
  if (rejection === "rejected") clientSession.lose(`the provider rejected the token of ${app.name}`);
  else if (rejection) tally.notice(`a token used ${rejection}`);
  const isPlain = !waitBefore && !waitAfter && !useToken;
  tally.addResponse({ milliseconds, isRefreshed, millisecondsLeft, isPlain });
  return true;
}

async function post(agent, url, cookie) {
  try {
    const headers = { accept: "application/json", cookie };
    const response = await send(agent, url, { method: "POST", headers });
    return { ...response, description: `${response.status} ${parseCode(response.text)}` };
  } catch (error) {
    return { description: error.code ?? "no response" };
  }
}

function parseCode(text) {
  try {
    return JSON.parse(text).code;
  } catch {
    return "";
  }
}

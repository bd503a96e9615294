import { send } from "../browser.mjs";

/**
 * One request for a session, by one process. What its answer says is compared with what the client was told before,
 * and counted. Resolves to whether it was a good one.
 */
export async function visit({ world, tally }, person, app, { waitBefore, waitAfter, useToken, makesChange }) {
  const plan = person.changes.plan(makesChange);
  const address = new URL("/visit", app.origin);
  const query = { waitBefore, waitAfter, useToken, add: plan.add, remove: plan.remove.join(" ") };
  for (const [name, value] of Object.entries(query)) if (value) address.searchParams.set(name, value);

  const sentAt = performance.now();
  const answer = await post(world.agent, address, person.cookie);
  const milliseconds = performance.now() - sentAt;
  tally.requests += 1;
  if (answer.status !== 200) {
    person.changes.doubt(plan);
    if (answer.status === 401) person.lose(`${app.name} answered ${answer.what}`);
    else if (app.name === world.killed?.name) tally.notice("a request that the kill cut off");
    else tally.notice(`a request that failed: ${answer.what}`);
    return false;
  }

  const { found, renewed, millisecondsLeft, refused, refreshToken } = JSON.parse(answer.text);
  for (const wrong of person.changes.confirm(plan, found))
    tally.lostChange(`${app.name}, ${person.name}: ${wrong}`);
  person.refreshTokens.add(refreshToken);
  if (refused === "refused") person.lose(`the portal refused the token that ${app.name} gave`);
  else if (refused) tally.notice(`a token used ${refused}`);
  tally.answered({
    milliseconds,
    renewed,
    millisecondsLeft,
    isPlain: !waitBefore && !waitAfter && !useToken,
  });
  return true;
}

async function post(agent, address, cookie) {
  try {
    const answer = await send(agent, address, {
      method: "POST",
      headers: { accept: "application/json", cookie },
    });
    return { ...answer, what: `${answer.status} ${codeIn(answer.text)}` };
  } catch (error) {
    return { what: error.code ?? "no answer" };
  }
}

function codeIn(text) {
  try {
    return JSON.parse(text).code;
  } catch {
    return "";
  }
}

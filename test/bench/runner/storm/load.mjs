import { setTimeout as sleep } from "node:timers/promises";
import { visit } from "./visit.mjs";

/** How long a session is active, and how many events it has in each second of that time. */
const ACTIVE_SECONDS = 15;
const EVENTS_PER_SECOND = 1.3;
/**
 * The part of events that are bursts: one or two requests to each process at the same time. Others are one
 * request.
 */
const BURST_PART = 0.4;
const SLOW_PART = 0.3;
const MAX_WAIT_MS = 2500; // longer than the lifetime of a token
const CHECKS_AT_ONCE = 8;
/** A claim of the killed process lasts 30 s. Then another process refreshes the login. */
const CLAIMED_AFTER_KILL_MS = 40_000;

/**
 * Sends requests at random moments, without waiting for earlier responses. The rate limits how many sessions
 * are active at a time. With more sessions, each would have so few requests that every request needed a
 * refresh.
 */
export async function load(storm, clientSessions, { seconds, rate, processes }) {
  const meanBurst = (processes + 2 * processes) / 2;
  const eventsPerSecond = rate / (BURST_PART * meanBurst + (1 - BURST_PART));
  const active = Math.min(clientSessions.length, Math.ceil(eventsPerSecond / EVENTS_PER_SECOND));
  const running = new Set();
  const start = performance.now();
  const getElapsed = () => (performance.now() - start) / 1000;

  for (let next = 0; next < seconds; next += -Math.log(1 - Math.random()) / eventsPerSecond) {
    const waitSeconds = next - getElapsed();
    if (waitSeconds > 0) await sleep(waitSeconds * 1000);
    const firstActive = Math.floor((getElapsed() / ACTIVE_SECONDS) * active);
    const clientSession = clientSessions[(firstActive + randomBelow(active)) % clientSessions.length];
    const count = Math.random() < BURST_PART ? processes + randomBelow(processes + 1) : 1;
    for (const visited of startEvent(storm, clientSession, count)) {
      running.add(visited);
      visited.finally(() => running.delete(visited));
    }
  }
  await Promise.all(running);
}

function* startEvent(storm, clientSession, count) {
  const { apps } = storm.world;
  if (clientSession.lost || apps.length === 0) return;
  const first = randomBelow(apps.length);
  for (let number = 0; number < count; number += 1)
    yield visit(storm, clientSession, apps[(first + number) % apps.length], chooseRequest());
}

/** Half of the fast requests change the session. All slow requests do, and faster ones overtake them. */
function chooseRequest() {
  if (Math.random() >= SLOW_PART) return { makesChange: Math.random() < 0.5 };
  const wait = 100 + randomBelow(MAX_WAIT_MS - 100);
  return { [Math.random() < 0.5 ? "waitBefore" : "waitAfter"]: wait, useToken: true, makesChange: true };
}

/** Makes one request for each session. All must be signed in, find their changes, and have a valid token. */
export async function checkAllSessions(storm, clientSessions) {
  const remaining = clientSessions.filter(({ lost }) => !lost);
  const worker = async () => {
    for (let clientSession = remaining.pop(); clientSession; clientSession = remaining.pop()) {
      while (!(await check(storm, clientSession)) && !clientSession.lost) {
        if (!mayBeClaimed(storm.world)) clientSession.lose("the check of all sessions failed");
      }
    }
  };
  await Promise.all(Array.from({ length: CHECKS_AT_ONCE }, worker));
}

const check = (storm, clientSession) =>
  visit(storm, clientSession, storm.world.apps[randomBelow(storm.world.apps.length)], { useToken: true });

const mayBeClaimed = ({ killed }) => killed !== undefined && Date.now() < killed.at + CLAIMED_AFTER_KILL_MS;

const randomBelow = (limit) => Math.floor(Math.random() * limit);

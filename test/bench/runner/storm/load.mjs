import { setTimeout as sleep } from "node:timers/promises";
import { visit } from "./visit.mjs";

/** So long is a person here before it is somebody else's turn, and in each second of it they do something so often. */
const STAY_SECONDS = 15;
const EVENTS_PER_SECOND = 1.3;
/** Such an event is a burst, which goes to all processes at once, once or twice to each; or else a single request. */
const BURSTS = 0.4;
const SLOW = 0.3;
const LONGEST_WAIT_MS = 2500; // longer than a token lives
const ROLL_AT_ONCE = 8;
/** A claim of the killed process lasts 30 s; then another process refreshes the login. */
const HELD_BY_KILL_MS = 40_000;

/**
 * Requests at random moments, whether or not the ones before were answered, for as many people at a time as the rate
 * allows for: with more of them each would come so seldom that every request needed a refresh.
 */
export async function load(storm, people, { seconds, rate, processes }) {
  const meanBurst = (processes + 2 * processes) / 2;
  const eventsPerSecond = rate / (BURSTS * meanBurst + (1 - BURSTS));
  const atATime = Math.min(people.length, Math.ceil(eventsPerSecond / EVENTS_PER_SECOND));
  const running = new Set();
  const start = performance.now();
  const elapsed = () => (performance.now() - start) / 1000;

  for (let next = 0; next < seconds; next += -Math.log(1 - Math.random()) / eventsPerSecond) {
    const early = next - elapsed();
    if (early > 0) await sleep(early * 1000);
    const first = Math.floor((elapsed() / STAY_SECONDS) * atATime);
    const person = people[(first + below(atATime)) % people.length];
    const count = Math.random() < BURSTS ? processes + below(processes + 1) : 1;
    for (const visited of event(storm, person, count)) {
      running.add(visited);
      visited.finally(() => running.delete(visited));
    }
  }
  await Promise.all(running);
}

function* event(storm, person, count) {
  const { apps } = storm.world;
  if (person.lost || apps.length === 0) return;
  const first = below(apps.length);
  for (let number = 0; number < count; number += 1)
    yield visit(storm, person, apps[(first + number) % apps.length], wish());
}

/** Half of the fast requests change the session, and all of the slow ones, which others overtake meanwhile. */
function wish() {
  if (Math.random() >= SLOW) return { makesChange: Math.random() < 0.5 };
  const wait = 100 + below(LONGEST_WAIT_MS - 100);
  return { [Math.random() < 0.5 ? "waitBefore" : "waitAfter"]: wait, useToken: true, makesChange: true };
}

/** Everybody comes once: all must be known, find their changes, and have a token that works. */
export async function callTheRoll(storm, people) {
  const left = people.filter(({ lost }) => !lost);
  const worker = async () => {
    for (let person = left.pop(); person; person = left.pop()) {
      while (!(await answers(storm, person)) && !person.lost) {
        if (!mayBeHeld(storm.world)) person.lose("no good answer when the roll was called");
      }
    }
  };
  await Promise.all(Array.from({ length: ROLL_AT_ONCE }, worker));
}

const answers = (storm, person) =>
  visit(storm, person, storm.world.apps[below(storm.world.apps.length)], { useToken: true });

const mayBeHeld = ({ killed }) => killed !== undefined && Date.now() < killed.at + HELD_BY_KILL_MS;

const below = (limit) => Math.floor(Math.random() * limit);

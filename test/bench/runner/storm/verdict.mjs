/** What the storm came to: figures, and the three of them that have a target. */
export function judge({ size, people, tally }, ledger) {
  const refreshes = ledger.account();
  const lostSessions = people.filter(({ lost }) => lost);
  const lostToKill = lostSessions.filter((person) => ledger.isCaughtByKill(person.refreshTokens));
  const lost = lostSessions.filter((person) => !lostToKill.includes(person));
  const grantsPerExpiry = refreshes.grants / refreshes.expiries;
  return {
    refreshes,
    lost,
    lostToKill,
    grantsPerExpiry,
    changes: people.reduce((count, { changes }) => count + changes.answered, 0),
    joined: Math.max(0, tally.answers.renewed - refreshes.good),
    met: {
      grantsPerExpiry: grantsPerExpiry <= 1.01,
      lost: lost.length === 0,
      ...(keepsChanges(size) && { lostChanges: tally.lostChanges.length === 0 }),
    },
  };
}

/** express-session writes whole sessions to a store of others, so there the last of several requests wins. */
const keepsChanges = ({ session }) => session !== "connect-redis";

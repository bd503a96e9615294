/** Returns the figures of a storm, and whether the three targets are met. */
export function judge({ size, clientSessions, tally }, ledger) {
  const refreshes = ledger.count();
  const allLost = clientSessions.filter(({ lost }) => lost);
  const lostByKill = allLost.filter(({ refreshTokens }) => ledger.isLostByKill(refreshTokens));
  const lost = allLost.filter((clientSession) => !lostByKill.includes(clientSession));
  const grantsPerExpiry = refreshes.grants / refreshes.expiries;
  return {
    refreshes,
    lost,
    lostByKill,
    grantsPerExpiry,
    changes: clientSessions.reduce((count, { changes }) => count + changes.confirmed, 0),
    joined: Math.max(0, tally.responses.refreshed - refreshes.successful),
    met: {
      grantsPerExpiry: grantsPerExpiry <= 1.01,
      lost: lost.length === 0,
      ...(hasChangesTarget(size) && { lostChanges: tally.lostChanges.length === 0 }),
    },
  };
}

/**
 * In stores other than createStore(), express-session writes whole sessions, so the last of several requests
 * wins.
 */
const hasChangesTarget = ({ session }) => session !== "connect-redis";

import { pause } from "./pause.js";
import type { StoredLogin } from "./refresh/refresh.js";
import type { Place } from "./session.js";

/** While the lock is down, two processes may write at the same moment. Their writes have arrived after this time. */
const WRITES_ARRIVE_MS = 100;

/** The login in a stored session. To end the login is to destroy that session. */
export function storedLogin({ id, keeper }: Place): StoredLogin {
  return {
    async update(change) {
      let isWritten = false;
      const written = await keeper.update(id, (stored) => {
        const login = stored.portal && keeper.open(id, stored.portal);
        const next = login && change(login);
        isWritten = next !== undefined;
        if (next === "remove") return null;
        return next && { ...stored, portal: next };
      });
      let stored = written;
      if (isWritten && keeper.mayCollide()) {
        await pause(WRITES_ARRIVE_MS);
        stored = await keeper.read(id);
      }
      return stored?.portal && keeper.open(id, stored.portal);
    },
  };
}

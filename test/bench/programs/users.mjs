/**
 * Users of the provider besides its demo users. Each one signs in about nine times in a launch of `login`.
 */
export const BENCH_USERS = Array.from({ length: 400 }, (_, n) => ({
  sub: `person-${n}`,
  name: `Person ${n}`,
}));

/** Whom the portal knows beside its own people: each logs in some nine times in a launch of `login`. */
export const EVERYBODY = Array.from({ length: 400 }, (_, n) => ({ sub: `person-${n}`, name: `Person ${n}` }));

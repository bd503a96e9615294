/**
 * Places that break a rule for a reason. `path` is the beginning of a path, `text` a part of the message.
 * An exception that nothing needs any more fails the check.
 */
export const EXCEPTIONS = [
  // The samples of this test break the rules on purpose.
  { path: "test/house/check-writing.test.ts", rule: "word" },
];

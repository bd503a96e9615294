import fc from "fast-check";
import { expect, test } from "vitest";
import { createEncryption } from "../../../lib/util/encryption.js";
import { applyEdits, edits, json, runs } from "../support/random-input.js";

// RFC 7516, section 5.2: a changed value cannot be decrypted.

const secret = "0123456789abcdef0123456789abcdef";
const encryption = createEncryption([secret], "a purpose");

test("decrypts a value only with the same secret and purpose", () => {
  fc.assert(
    fc.property(json, (value) => {
      const encrypted = encryption.encrypt({ value });
      expect(encryption.decrypt(encrypted)).toEqual(JSON.parse(JSON.stringify({ value })));
      expect(createEncryption([secret], "another purpose").decrypt(encrypted)).toBeUndefined();
      expect(createEncryption([`${secret}x`], "a purpose").decrypt(encrypted)).toBeUndefined();
    }),
    runs(500),
  );
});

test("does not decrypt an edited value", () => {
  fc.assert(
    fc.property(json, edits, (value, changes) => {
      const encrypted = encryption.encrypt({ value });
      const changed = applyEdits(encrypted, changes);
      fc.pre(changed !== encrypted);
      expect(encryption.decrypt(changed)).toBeUndefined();
    }),
    runs(5000),
  );
});

test("returns undefined for any other text", () => {
  const parts = fc
    .array(fc.string({ unit: "binary", maxLength: 40 }), { maxLength: 8 })
    .map((list) => list.join("."));
  fc.assert(
    fc.property(fc.oneof(parts, fc.string({ unit: "binary" })), (text) => {
      expect(encryption.decrypt(text)).toBeUndefined();
    }),
    runs(3000),
  );
});

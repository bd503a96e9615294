import fc from "fast-check";
import { expect, test } from "vitest";
import { createEncryption } from "../../../lib/util/encryption.js";
import { applyEdits, edits, json, runs } from "../support/random-input.js";

// RFC 7516, section 5.2: a changed value cannot be decrypted.

const secret = "0123456789abcdef0123456789abcdef";
const sealer = createEncryption([secret], "a purpose");

test("decrypts an encrypted value with the same secret and purpose, and with no others", () => {
  fc.assert(
    fc.property(json, (value) => {
      const sealed = sealer.encrypt({ value });
      expect(sealer.decrypt(sealed)).toEqual(JSON.parse(JSON.stringify({ value })));
      expect(createEncryption([secret], "another purpose").decrypt(sealed)).toBeUndefined();
      expect(createEncryption([`${secret}x`], "a purpose").decrypt(sealed)).toBeUndefined();
    }),
    runs(500),
  );
});

test("does not decrypt an edited value", () => {
  fc.assert(
    fc.property(json, edits, (value, changes) => {
      const sealed = sealer.encrypt({ value });
      const other = applyEdits(sealed, changes);
      fc.pre(other !== sealed);
      expect(sealer.decrypt(other)).toBeUndefined();
    }),
    runs(5000),
  );
});

test("neither throws nor decrypts for any text", () => {
  const parts = fc
    .array(fc.string({ unit: "binary", maxLength: 40 }), { maxLength: 8 })
    .map((list) => list.join("."));
  fc.assert(
    fc.property(fc.oneof(parts, fc.string({ unit: "binary" })), (text) => {
      expect(sealer.decrypt(text)).toBeUndefined();
    }),
    runs(3000),
  );
});

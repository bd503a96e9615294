/** What a store's server keeps when it restarts; each trouble in words, with what to do. Undefined: it does not tell. */
export type Durability = () => Promise<readonly Trouble[] | undefined>;

export interface Trouble {
  readonly found: string;
  readonly advice: string;
}

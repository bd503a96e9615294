/** What a store's server keeps when it restarts; each trouble in words, with what to do. */
export type Durability = () => Promise<readonly Trouble[]>;

export interface Trouble {
  readonly found: string;
  readonly advice: string;
}

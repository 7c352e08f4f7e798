/**
 * One line broken for each (C) rule of the reference that states what the store does: the test that cites the rule must
 * notice. And of what decisions 34 and 35 promise of pages that have left the store, by the titles of their tests. `find`
 * stands once in what the source compiles to, whatever its white space.
 */
export interface Mutant {
  /** What the test's title says, as a pattern. */
  readonly rule: string;
  /** From the project's folder, without its ending. */
  readonly source: string;
  readonly find: string;
  readonly replace: string;
  readonly test: string;
}

const POOL = 'src/tmem/tmem-pool';
const TMEM = 'src/tmem/tmem';
const ATTRIBUTES = 'src/tmem/pool-attributes';
const SHARED = 'src/tmem/shared-pools';
const CLIENT = 'src/tmem/tmem-client';
const BATCH = 'src/tmem/tmem-batch';
const SPILLER = 'src/tmem/spiller';
const POOL_SPILL = 'src/tmem/pool-spill';
const SPILLING = 'src/engine/spilling';
const WEIGHTED = 'src/evict/weighted';

export const MUTANTS: readonly Mutant[] = [
  in_(ATTRIBUTES, 'R1', 'isShared ? SHARED : 0', 'isShared ? 0 : 0', 'tmem'),
  in_(ATTRIBUTES, 'R2', '(flags & RESERVED) === 0', '(flags & RESERVED) >= 0', 'tmem'),
  in_(ATTRIBUTES, 'R3', '!(isPersistent && isShared)', '!(isPersistent && !isPersistent)', 'tmem'),
  in_(TMEM, 'R5', 'this.clients.set(name, client)', 'this.clients.get(name)', 'tmem'),
  in_(TMEM, 'R6', 'return found.pages === 0 &&', 'return found.pages === -1 &&', 'ephemeral', 'R30'),
  in_(
    TMEM,
    'R6',
    'if (pool === undefined) return TmemStatus.missing',
    'if (pool === undefined) return TmemStatus.done',
    'tmem',
  ),
  in_(TMEM, 'R7', 'if (isLast) pool.flushAll()', 'if (!isLast) pool.flushAll()', 'tmem'),
  in_(TMEM, 'R9', 'this.clients.delete(client.name)', 'this.clients.has(client.name)', 'tmem'),
  in_(
    'src/engine/putting',
    'R10',
    'staging.store(object, index, cell, payloadBytes | ENTRY_USED, this.#growth, this.#charge);',
    '',
    'tmem',
  ),
  in_(
    POOL,
    'R11',
    'if (outcome !== PutOutcome.stored) return outcome',
    'if (outcome !== PutOutcome.stored) return outcome === PutOutcome.full ? outcome : PutOutcome.stored',
    'tmem',
  ),
  in_(
    POOL,
    'R12',
    'if (this.#order !== undefined) this.#found',
    'if (this.#order === undefined) this.#engine.flushPage(object, index); else this.#found',
    'tmem',
  ),
  in_(
    'src/engine/recovery',
    'R13',
    'if (number >= EPHEMERAL_NUMBERS && isPageKind(kind)) return',
    'if (number < 0) return',
    'ephemeral',
  ),
  in_(
    'src/engine/staging',
    'R14',
    'this.#setPending(cell); this.#batch.add(Op.store',
    'this.#batch.add(Op.store',
    'tmem',
    'R41',
  ),
  in_(
    POOL,
    'R15',
    'this.#drop(object, index); this.statistics.duplicatesFlushed++',
    'this.statistics.duplicatesFlushed++',
    'tmem',
  ),
  in_(BATCH, 'R15', 'if (!keepsOld) pool.flushOld(id, index)', 'if (keepsOld) pool.flushOld(id, index)', 'tmem'),
  in_(
    POOL,
    'R16',
    'return isPage ? TmemStatus.noSpace : TmemStatus.fault',
    'return isPage ? TmemStatus.noMemory : TmemStatus.fault',
    'tmem',
  ),
  in_(POOL, 'R20', 'if (this.has(id, index)) return false', 'if (this.has(id, index)) return true', 'freeze'),
  in_(POOL, 'R21', 'const mayStore = isPage && !(by.migrating', 'const mayStore = isPage && !(!by.migrating', 'freeze'),
  in_(POOL, 'R22', 'const mayStore = isPage &&', 'const mayStore =', 'tmem'),
  in_('src/tmem/pool-objects', 'R23', 'this.#engine.forgetObject(object)', 'void object', 'tmem'),
  in_(CLIENT, 'R25', 'used += pool.stored.storedBytes', 'used += 0', 'tmem-batch'),
  in_(
    POOL,
    'R26',
    'if (object === undefined || outcome === GetOutcome.miss) {',
    'if (object === undefined) return TmemStatus.missing;\n if (outcome === GetOutcome.damaged) {',
    'tmem',
    'R26|R34',
  ),
  in_(
    POOL,
    'R27',
    'order.take(object, index); this.#engine.flushPage(object, index);',
    'order.take(object, index);',
    'ephemeral',
  ),
  in_(ATTRIBUTES, 'R28', 'isPersistent || isShared || inclusive', 'isPersistent || inclusive', 'shared'),
  in_(
    POOL,
    'R31',
    'this.statistics.gets++',
    'if (by.frozen) return TmemStatus.frozen;\n this.statistics.gets++',
    'freeze',
  ),
  in_(POOL, 'R34', 'this.#engine.flushObject(object)', 'void object', 'tmem'),
  in_(
    POOL,
    'R35',
    'this.statistics.flushes++; const answer = by.frozen ? TmemStatus.frozen : TmemStatus.done',
    'const answer = by.frozen ? TmemStatus.frozen : TmemStatus.missing',
    'tmem',
  ),
  in_(
    POOL,
    'R36',
    'this.statistics.objectFlushes++',
    'this.statistics.objectFlushes++;\n if (by.frozen) return TmemStatus.frozen',
    'freeze',
  ),
  in_(POOL, 'R37', 'this.#objects.forgetIfEmpty(id)', 'void id', 'tmem'),
  in_(
    'src/engine/batch',
    'R38',
    'for (let at = this.length - 1; at >= 0; at--) { switch',
    'for (let at = 0; at < this.length; at++) { switch',
    'model',
  ),
  in_('src/engine/getting', 'R39', 'if (!this.#staging.isStore(newest)) return GetOutcome.miss;', '', 'model'),
  in_('src/engine/staging', 'R40', 'written || this.#needsNoWrite(at)', 'written', 'ephemeral'),
  in_(
    'src/engine/staging',
    'R41',
    'return { ...this.#log.stagedAt(this.#batch.location[at]',
    'return { ...this.#log.stagedAt(this.#batch.location[0]',
    'tmem',
  ),
  in_(WEIGHTED, 'R44', 'own ? oldest(claimants, requester) : null', 'null', WEIGHTED),
  in_(
    WEIGHTED,
    'R45',
    'mine * totalWeight > global * requester.weight',
    'global * requester.weight > mine * totalWeight',
    WEIGHTED,
  ),
  in_(POOL, 'R50', 'this.#ground.eviction.makeRoom(by.claims)', 'void 0', 'eviction'),
  in_('src/tmem/eviction', 'R52', 'sum + order.bytes', 'sum', 'eviction'),
  in_(TMEM, 'R53', 'given < bytes && page > 0', 'given < 0 && page > 0', 'eviction'),
  in_(TMEM, 'R55', 'client.frozen = frozen', 'void frozen', 'eviction'),
  in_(SHARED, 'R58', 'uuid < INVALID_UUID', 'uuid <= INVALID_UUID', 'shared'),
  in_(TMEM, 'R59', 'found.members.push(member)', 'void member', 'shared'),
  in_(TMEM, 'R60', '!this.shared.mayJoin(client, uuid)', 'false', 'shared'),
  in_(SHARED, 'R61', 'this.isOpenToAll || client', '!this.isOpenToAll || client', 'shared'),
  in_(POOL, 'R62', 'if (user === membership.client) this', 'if (user !== membership.client) this', 'shared'),
  in_(POOL, 'R63', 'this.members.splice(at, 1)', 'void at', 'shared'),
  in_(TMEM, 'R64', 'this.shared.forget(pool)', 'void pool', 'shared'),
  in_(TMEM, 'R66', 'if (client.frozen) return TmemStatus.frozen', 'if (!client) return TmemStatus.frozen', 'freeze'),
  in_('src/engine/store-index', 'R76', 'pool.rawPages++', 'pool.rawPages--', 'ephemeral'),
  in_(
    'src/engine/store-index',
    'R77',
    'pool.storedBytes += this.chargedBytesOf(word)',
    'pool.storedBytes += 4096',
    'eviction',
  ),
  in_('src/engine/putting', 'R78', 'return isSame ? content : STRANGER', 'return content', 'src/engine/sharing'),
  in_('src/engine/contents', 'R81', ' && this.#domainAt(content) === this.#domain', '', 'src/engine/sharing'),
  in_(SPILLER, 'a page leaves only when its slot is written', 'error === undefined ?', 'true ?', 'spiller'),
  in_(
    SPILLER,
    'on a disk a page leaves only when its slot is synced',
    'failure === undefined && this.#ground.engine.durability !== undefined',
    'failure === undefined && this.#ground.engine.durability === null',
    'spiller',
  ),
  in_(
    SPILLING,
    'a page that changes while it is being written stays',
    '|| !isSame(hashOf(kernel.view, this.#record), hash)',
    '',
    'spiller',
  ),
  in_(
    SPILLING,
    'a page that is used while it is being written stays',
    '(ENTRY_USED | ENTRY_SPILLED | ENTRY_PENDING | ENTRY_LOST)) !== 0) return false',
    '(ENTRY_SPILLED | ENTRY_PENDING | ENTRY_LOST)) !== 0) return false',
    'spiller',
  ),
  in_(
    SPILLER,
    'while a mark names a slot no other page is written there',
    'if (!marked.has(page))',
    'if (true)',
    'pool-spill',
  ),
  in_(
    POOL_SPILL,
    'a slot that a mark names stays its own after a restart',
    'this.slots.claim(slot)',
    'void slot',
    'pool-spill',
  ),
  in_(
    POOL_SPILL,
    "on a disk a slot is another page's only when",
    'if (this.#ground.engine.durability === undefined) this.slots.give(slot)',
    'if (slot >= 0) this.slots.give(slot)',
    'pool-spill',
  ),
  in_(
    POOL_SPILL,
    'a page that comes back is what was spilled, or it is damaged',
    '!engine.spilling.vouchesFor(object, index, slot, scratch)',
    'false',
    'pool-spill',
  ),
  in_(
    SPILLING,
    "what another page's slot holds is no page",
    '&& isSame(this.hashOf(page), mark.hash)',
    '',
    'pool-spill',
  ),
  in_(POOL_SPILL, 'its late arrival is dropped', 'this.#fetches.get(slot)?.drop();', '', 'pool-spill'),
  in_(
    'src/serve/data/nbd/parked',
    'is answered while pages of other requests are fetched',
    'this.count >= PARKED_MAX ||',
    'this.count >= 1 ||',
    'src/serve/data/nbd/parked',
  ),
  in_(
    'src/serve/data/nbd/transmission',
    'is answered while pages of other requests are fetched',
    'if (this.#reading.lacks) {',
    'if (this.#reading.lacks) { this.#hold();',
    'src/serve/data/nbd/parked',
  ),
];

/** `test` is a file of src/tmem, or one with its folder; `pattern`, where not the rule itself, what else its title may say. */
function in_(source: string, rule: string, find: string, replace: string, test: string, pattern = rule): Mutant {
  return { rule: pattern, source, find, replace, test: test.includes('/') ? `${test}.test` : `src/tmem/${test}.test` };
}

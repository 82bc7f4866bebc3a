'use strict'

/*
 * The live page: one stream of views (src/ops/monitor.ts), drawn once a second.
 * Event text, hosts and paths are hostile: they reach the page as text nodes only, never as markup.
 */

const GROUPED = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })
const FINE = new Intl.NumberFormat('en-US', { maximumFractionDigits: 1 })
const EVENTS_SHOWN = 20
const RETRY_MS = 3000

const byId = (id) => document.getElementById(id)

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text
}

function element(name, class_name, text) {
  const made = document.createElement(name)
  if (class_name) made.className = class_name
  if (text !== undefined) made.textContent = text
  return made
}

/** What a name of the ledger stands for, where the word alone does not tell. */
const MEANINGS = {
  created_by_filters: 'Events that filters made of others, as split does.',
  stored: 'An output has it, and told so.',
  already_there: 'The output had it before: it was sent again and is stored once.',
  consumed: 'Its content went into the events that a filter made of it, as with split; the event itself ends there.',
  dropped: 'A filter of the pipeline dropped it, as the configuration says.',
  unrouted: 'No output wanted it: the conditions around every output were false.',
  dead_lettered: 'It can never be stored. It is kept on disk: bin/millrace dlq ls',
  unaccounted_for: 'Received and created, less all of the above. Anything but 0 is a fault of the program.',
}

const words = (name) => name.replaceAll('_', ' ')
const count = (number) => GROUPED.format(number)
const perSecond = (number) => (number > 0 && number < 10 ? FINE : GROUPED).format(number)

function duration(ms) {
  const minutes = Math.floor(ms / 60_000)
  if (minutes < 1) return `${Math.floor(ms / 1000)} s`
  if (minutes < 60) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`
}

function bytes(size) {
  return size < 1_048_576 ? `${count(size / 1024)} KiB` : `${FINE.format(size / 1_048_576)} MiB`
}

/** Draws rows into a table body; cells are kept and only their text changes, so that a selection survives. */
function drawRows(body, rows, createRow, updateRow) {
  const keys = rows.map((row) => row.key).join('\n')
  if (body.dataset.keys !== keys) {
    body.dataset.keys = keys
    body.replaceChildren(...rows.map(createRow))
  }
  for (const [index, row] of rows.entries()) updateRow(body.children[index], row)
}

function createLedgerRow({ key }) {
  const row = element('tr', '')
  const share = element('td', 'share')
  share.append(element('span', 'bar'))
  const name = element('span', '', words(key))
  if (Object.hasOwn(MEANINGS, key)) name.title = MEANINGS[key]
  const title = element('th', '')
  title.scope = 'row'
  title.append(name)
  row.append(title, share, element('td', 'number'))
  return row
}

function updateLedgerRow(row, { value, tone, share, text }) {
  row.className = tone ?? (value === 0 ? 'zero' : '')
  setText(row.lastChild, text ?? count(value))
  row.children[1].firstChild.style.width = share > 0 ? `${Math.max(1.5, share * 100)}%` : '0'
}

function drawLedger({ totals }) {
  const { received, created, states, holders, unbalanced } = totals
  const all = Math.max(1, received + created)
  const drawPart = (id, rows) => drawRows(byId(id), rows, createLedgerRow, updateLedgerRow)
  drawPart('ledger-in', [
    { key: 'received', value: received },
    { key: 'created_by_filters', value: created },
  ])
  const state = (key) => ({ key, value: states[key], share: states[key] / all })
  drawPart('ledger-states', [
    state('stored'),
    state('already_there'),
    state('consumed'),
    state('dropped'),
    state('unrouted'),
    { ...state('dead_lettered'), ...(states.dead_lettered > 0 ? { tone: 'warn' } : {}) },
  ])
  drawPart(
    'ledger-holders',
    Object.entries(holders).map(([key, value]) => ({ key: `in ${key}`, value, share: value / all })),
  )
  drawPart('ledger-balance', [
    {
      key: 'bytes in flight',
      value: totals.bytes_in_flight,
      text: bytes(totals.bytes_in_flight),
      share: totals.bytes_in_flight / totals.bytes_in_flight_max,
    },
    { key: 'unaccounted_for', value: unbalanced, tone: unbalanced === 0 ? 'good' : 'bad' },
  ])
}

function createComponentRow({ component }) {
  const row = element('tr', '')
  const title = element('th', '', component.name)
  title.scope = 'row'
  title.append(element('span', 'where'))
  row.append(title, element('td', 'counts'), element('td', 'number'))
  return row
}

function updateComponentRow(row, { component }) {
  row.className = component.is_well ? '' : 'warn'
  const { where, state } = component
  // A reason often names the place itself.
  setText(row.querySelector('.where'), state.includes(where) ? state : `${where} · ${state}`)
  row.firstChild.title = component.id
  const counts = Object.entries(component.counts).filter(([, value]) => value > 0)
  const texts = counts.map(([name, value]) => `${words(name)} ${count(value)}`)
  if (row.children[1].textContent === texts.join(', ')) return showRate(row, component)
  row.children[1].replaceChildren(
    ...texts.flatMap((text, index) => (index === 0 ? [element('span', '', text)] : [', ', element('span', '', text)])),
  )
  showRate(row, component)
}

function showRate(row, component) {
  setText(row.lastChild, `${perSecond(component.per_s)}/s`)
}

function drawComponents(id, components) {
  const rows = components.map((component) => ({ key: component.id, component }))
  drawRows(byId(id), rows, createComponentRow, updateComponentRow)
}

/**
 * The document with its numbers as they are written: a 20-digit id must not be rounded on the way to the eye.
 * `undefined` where the text was cut, or where the browser cannot keep numbers exact: then the text is shown as it is.
 */
function readDocument(text) {
  if (JSON.rawJSON === undefined) return undefined
  try {
    return JSON.parse(text, (_name, value, { source }) => (typeof value === 'number' ? JSON.rawJSON(source) : value))
  } catch {
    return undefined
  }
}

/**
 * A document that was cut at a length, without the member that was cut: up to the last comma between members of its own.
 * The text as it is where there is none.
 */
function closeDocument(text) {
  let depth = 0
  let end = 0
  for (const { 0: token, index } of text.matchAll(/"(?:[^"\\]|\\.)*"?|[[\]{},]/g)) {
    if (token === '{' || token === '[') depth++
    else if (token === '}' || token === ']') depth--
    else if (token === ',' && depth === 1) end = index
  }
  return end > 0 && depth > 0 ? `${text.slice(0, end)}}` : text
}

/** What a reader looks for first, and what is long and says little; all else stands between, in its own order. */
const FIRST = ['level', 'service', 'msg']
const LAST = ['message', 'agent', 'host', 'ecs']
/** The time stands in front of the line already. */
const HIDDEN = ['@timestamp', '@version']

function rankOf(name) {
  if (FIRST.includes(name)) return FIRST.indexOf(name)
  return FIRST.length + 1 + LAST.indexOf(name)
}

/** One line of an event: names quiet, values plain, what matters most in front. */
function createExcerpt(text) {
  const line = element('span', 'text')
  const read = readDocument(closeDocument(text))
  if (read === undefined) {
    line.textContent = text
    return line
  }
  const members = Object.entries(read).filter(([name]) => !HIDDEN.includes(name))
  for (const [name, value] of members.toSorted(([a], [b]) => rankOf(a) - rankOf(b))) {
    line.append(element('i', '', name), ` ${typeof value === 'string' ? value : JSON.stringify(value)}  `)
  }
  return line
}

function createEvent({ at_ms, origin, text, sequence }) {
  const details = element('details', '')
  details.dataset.sequence = sequence
  const summary = element('summary', '')
  summary.append(
    element('time', '', new Date(at_ms).toTimeString().slice(0, 8)),
    element('span', 'origin', origin),
    createExcerpt(text),
  )
  summary.children[1].title = origin
  details.append(summary)
  details.addEventListener('toggle', () => {
    if (details.open && details.children.length === 1)
      details.append(element('pre', '', readDocument(text) === undefined ? text : JSON.stringify(readDocument(text), null, 2)))
  })
  return details
}

let sequence_shown = -Infinity
let is_paused = false

function drawEvents(recent) {
  if (is_paused) return
  const list = byId('events')
  const newest = recent.at(-1)
  // A program that was started anew counts from the beginning.
  if (newest !== undefined && newest.sequence < sequence_shown) sequence_shown = -Infinity
  const fresh = recent.filter((event) => event.sequence > sequence_shown)
  if (fresh.length === 0) return
  sequence_shown = newest.sequence
  list.querySelector(':scope > p')?.remove()
  for (const event of fresh) list.prepend(createEvent(event))
  // What somebody is reading stays.
  const closed = [...list.children].filter((details) => !details.open)
  for (const details of closed.slice(EVENTS_SHOWN)) details.remove()
}

let chart

function createChart() {
  const style = getComputedStyle(document.documentElement)
  const colour = (name) => style.getPropertyValue(name).trim()
  const host = byId('chart')
  const axis = {
    stroke: colour('--quiet'),
    font: '11px system-ui, sans-serif',
    ticks: { show: false },
    grid: { stroke: colour('--line'), width: 1 },
  }
  chart = new uPlot(
    {
      width: Math.max(100, host.clientWidth),
      height: Math.max(200, host.clientHeight),
      cursor: { show: false },
      legend: { show: false },
      // Room for half of the last minute's label, which stands below the right edge.
      padding: [8, 18, 0, 0],
      // Half a minute on both sides, so that the first and last bars stand whole.
      scales: {
        x: { range: (_plot, first, last) => [first - 30, last + 30] },
        y: { range: (_plot, _least, most) => [0, Math.max(4, most * 1.1)] },
      },
      axes: [
        {
          ...axis,
          grid: { show: false },
          space: 80,
          size: 26,
          values: (_plot, times) => times.map((time) => new Date(time * 1000).toTimeString().slice(0, 5)),
        },
        {
          ...axis,
          size: 44,
          incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 1e5, 1e6, 1e7],
          values: (_plot, values) => values.map(count),
        },
      ],
      series: [{}, { fill: colour('--bad'), width: 0, points: { show: false }, paths: uPlot.paths.bars({ size: [0.7, 14] }) }],
    },
    [[], []],
    host,
  )
}

function drawChart({ errors_per_minute }) {
  if (chart === undefined) createChart()
  chart.setData([errors_per_minute.map(([minute_ms]) => minute_ms / 1000), errors_per_minute.map(([, errors]) => errors)])
  const hour = errors_per_minute.reduce((sum, [, errors]) => sum + errors, 0)
  setText(byId('chart-note'), `${count(hour)} in the last hour`)
}

function drawNumbers(view) {
  const { totals } = view
  setText(byId('received'), count(totals.received))
  setText(byId('received-note'), totals.created > 0 ? `and ${count(totals.created)} created by filters` : '')
  setText(byId('stored'), count(totals.states.stored))
  setText(byId('stored-note'), totals.states.already_there > 0 ? `and ${count(totals.states.already_there)} already there` : '')
  setText(byId('errors'), count(view.errors_total))
  setText(byId('errors-note'), view.errors_source)
  byId('errors-note').title = view.errors_source
  byId('rate').replaceChildren(perSecond(view.received_per_s), element('small', '', ' /s'))
  setText(byId('rate-note'), `stored ${perSecond(view.stored_per_s)}/s`)
}

function drawHealth(view) {
  const problems = [...view.reasons_not_ready]
  if (view.totals.unbalanced !== 0) {
    problems.push(
      `The books do not balance by ${count(view.totals.unbalanced)} events. This is a fault of the program: please report it.`,
    )
  }
  if (view.reload?.result === 'refused') {
    problems.push(`The new config is refused, and what ran before goes on: ${view.reload.message}`)
  }
  const { dead_lettered } = view.totals.states
  showDeadLetters(dead_lettered)
  if (problems.length > 0) return showHealth('bad', 'needs attention', problems.join('\n'))
  const unwell = [...view.inputs, ...view.outputs].filter(({ is_well }) => !is_well)
  const remarks = [
    ...(unwell.length > 0 ? [`${unwell.map(({ name }) => name).join(', ')} not well`] : []),
    ...(dead_lettered > 0 ? [deadLetters(dead_lettered)] : []),
  ]
  showHealth(remarks.length === 0 ? 'good' : 'warn', ['running', ...remarks].join(', '), '')
}

function deadLetters(number) {
  return number === 1 ? '1 dead letter' : `${count(number)} dead letters`
}

function showDeadLetters(number) {
  const notice = byId('dead-letters')
  notice.hidden = number === 0
  // Said again only when it changed: a screen reader reads it out.
  if (notice.dataset.number === String(number)) return
  notice.dataset.number = number
  notice.replaceChildren(`${deadLetters(number)}: `, element('code', '', 'bin/millrace dlq ls'))
}

function showHealth(tone, word, notice) {
  const pill = byId('health')
  pill.className = `pill ${tone}`
  setText(pill, word)
  setText(byId('notice'), notice)
  byId('notice').hidden = notice === ''
}

function drawPlaces({ places, listening }) {
  const rows = [
    ...listening.map(({ component, address }) => [component, address]),
    ...places.map(({ what, where }) => [what, where]),
  ]
  const text = JSON.stringify(rows)
  const list = byId('places')
  if (list.dataset.rows === text) return
  list.dataset.rows = text
  list.replaceChildren(...rows.flatMap(([what, where]) => [element('dt', '', what), element('dd', '', where)]))
}

function draw(view) {
  document.title = `${perSecond(view.received_per_s)}/s · ${view.pipeline} · millrace`
  setText(byId('pipeline'), view.pipeline)
  setText(byId('uptime'), `up ${duration(view.uptime_ms)}`)
  drawHealth(view)
  drawNumbers(view)
  drawChart(view)
  drawLedger(view)
  drawComponents('inputs', view.inputs)
  drawComponents('outputs', view.outputs)
  drawEvents(view.recent)
  drawPlaces(view)
}

function watch() {
  const stream = new EventSource('/api/stream')
  stream.addEventListener('message', ({ data }) => draw(JSON.parse(data)))
  stream.addEventListener('error', () => {
    showHealth(
      'bad',
      'no connection',
      'The program does not answer. What you see is its last word; this page goes on as soon as it is back.',
    )
    // The browser tries again by itself, except after a refusal.
    if (stream.readyState === EventSource.CLOSED) setTimeout(watch, RETRY_MS)
  })
}

byId('pause').addEventListener('click', ({ target }) => {
  is_paused = !is_paused
  target.setAttribute('aria-pressed', String(is_paused))
  setText(target, is_paused ? 'paused' : 'pause')
})

new ResizeObserver(() => {
  chart?.setSize({ width: Math.max(100, byId('chart').clientWidth), height: Math.max(200, byId('chart').clientHeight) })
}).observe(byId('chart'))
// The next view draws it anew, in the other colours.
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  chart?.destroy()
  chart = undefined
})
watch()

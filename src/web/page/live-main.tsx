/** The live page begins. */
import { render } from 'preact'
import { takeToken } from './feed.js'
import { LiveApp } from './live-app.jsx'

const root = document.getElementById('page')
if (root === null) throw new Error('the page has no place for itself')
render(<LiveApp token={takeToken()} />, root)

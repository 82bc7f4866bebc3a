import { expect, test } from 'vitest'
import { SourceNumber } from '../values.ts'
import { javaNumberText, rubyNumberText } from './number-text.ts'

const double = (text: string) => new SourceNumber(text)
const decimal = (text: string) => new SourceNumber(text, true)

// What JDK 17 and JRuby print.
test.each([
  [5, '5', '5'],
  [-7, '-7', '-7'],
  [12345678901234567890n, '12345678901234567890', '12345678901234567890'],
  [1.5, '1.5', '1.5'],
  [double('1.0'), '1.0', '1.0'],
  [double('-0.0'), '-0.0', '-0.0'],
  [double('0.10'), '0.1', '0.1'],
  [double('12345678.9'), '1.23456789E7', '12345678.9'],
  [double('1e7'), '1.0E7', '10000000.0'],
  [double('9999999.9'), '9999999.9', '9999999.9'],
  [double('0.001'), '0.001', '0.001'],
  [double('0.0001'), '1.0E-4', '0.0001'],
  [double('0.00001'), '1.0E-5', '1.0e-05'],
  [double('1e15'), '1.0E15', '1000000000000000.0'],
  [double('1e16'), '1.0E16', '1.0e+16'],
  [double('1e-7'), '1.0E-7', '1.0e-07'],
  [double('1e400'), 'Infinity', 'Infinity'],
  [double('5e-324'), '4.9E-324', '5.0e-324'],
  [1e21, '1.0E21', '1.0e+21'],
  [decimal('1.10'), '1.10', '0.11e1'],
  [decimal('12.5'), '12.5', '0.125e2'],
  [decimal('1e3'), '1E+3', '0.1e4'],
  [decimal('1.5e3'), '1.5E+3', '0.15e4'],
  [decimal('1e0'), '1', '0.1e1'],
  [decimal('0.00001'), '0.00001', '0.1e-4'],
  [decimal('0.0000001'), '1E-7', '0.1e-6'],
  [decimal('-12.50e-3'), '-0.01250', '-0.125e-1'],
  [decimal('-0.0'), '0.0', '0.0'],
  [decimal('0.000'), '0.000', '0.0'],
  [decimal('1E+400'), '1E+400', '0.1e401'],
])('%s prints as %s in Java and %s in Ruby', (value, java, ruby) => {
  expect([javaNumberText(value), rubyNumberText(value)]).toEqual([java, ruby])
})

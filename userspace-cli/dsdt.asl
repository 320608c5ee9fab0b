/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ACPI name space of the machine: how to turn it off, the PCI bus with the ways of its
 * interrupts, and the devices a driver does not find by itself. Ports, addresses and pins
 * are those of platform.h, whose macros the C preprocessor puts in before iasl compiles;
 * but iasl does not compute the ends of windows: these are numbers here, and a test
 * (cli-platform) compares them.
 */

#define SLOT_PIN(s, p)	Package () { ((s) << 16) + 0xffff, p, 0, IRQ_PCI(s, p) }
#define SLOT(s)		SLOT_PIN(s, 0), SLOT_PIN(s, 1), SLOT_PIN(s, 2), SLOT_PIN(s, 3)

DefinitionBlock ("", "DSDT", 2, "LODGE ", "LODGE   ", 1)
{
	Name (\_S5, Package () { PM_SLEEP_TYPE_S5, PM_SLEEP_TYPE_S5, 0, 0 })

	Scope (\_SB)
	{
		Device (PCI0)
		{
			Name (_HID, EisaId ("PNP0A03"))
			Name (_UID, 0)
			Name (_BBN, 0)
			Name (_CRS, ResourceTemplate () {
				WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode,
					0, 0, 0, 0, 1)
				IO (Decode16, PORT_PCI_ADDRESS, PORT_PCI_ADDRESS, 1, 8)
				WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
					0, 0, 0x0cf7, 0, 0x0cf8)
				WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
					0, 0x0d00, 0xffff, 0, 0xf300)
				DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed,
					NonCacheable, ReadWrite,
					0, 0xc0000000, 0xfebfffff, 0, 0x3ec00000)
			})
			Name (_PRT, Package () {
				SLOT(0), SLOT(1), SLOT(2), SLOT(3),
				SLOT(4), SLOT(5), SLOT(6), SLOT(7),
				SLOT(8), SLOT(9), SLOT(10), SLOT(11),
				SLOT(12), SLOT(13), SLOT(14), SLOT(15),
				SLOT(16), SLOT(17), SLOT(18), SLOT(19),
				SLOT(20), SLOT(21), SLOT(22), SLOT(23),
				SLOT(24), SLOT(25), SLOT(26), SLOT(27),
				SLOT(28), SLOT(29), SLOT(30), SLOT(31)
			})
		}

		/* Ports of the board itself: nobody may put a device there. */
		Device (BORD)
		{
			Name (_HID, EisaId ("PNP0C02"))
			Name (_UID, 0)
			Name (_CRS, ResourceTemplate () {
				IO (Decode16, PORT_DEBUG_CONSOLE, PORT_DEBUG_CONSOLE, 1, 1)
				IO (Decode16, PORT_EXIT, PORT_EXIT, 1, 4)
				IO (Decode16, PORT_PM1_EVENT, PORT_PM1_EVENT, 1, 16)
			})
		}

		Device (COM1)
		{
			Name (_HID, EisaId ("PNP0501"))
			Name (_UID, 1)
			Name (_CRS, ResourceTemplate () {
				IO (Decode16, PORT_SERIAL, PORT_SERIAL, 1, 8)
				IRQNoFlags () { IRQ_SERIAL }
			})
		}

		Device (RTC0)
		{
			Name (_HID, EisaId ("PNP0B00"))
			Name (_CRS, ResourceTemplate () {
				IO (Decode16, PORT_RTC, PORT_RTC, 1, 2)
				IRQNoFlags () { IRQ_RTC }
			})
		}
	}
}

/// What the user pressed.
enum Key: Equatable {
    case character(UnicodeScalar)
    /// With the control key held: the letter.
    case control(Character)
    case enter, tab, backspace, delete
    case left, right, up, down, home, end
    case wordLeft, wordRight
    /// Standard input has ended.
    case endOfInput
}

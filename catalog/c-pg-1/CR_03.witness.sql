-- The largest debit of Nigeria, by the amount that the ledger entry itself carries.
SELECT TOP (1)
    CAST(e.[id_company] AS nvarchar(20)) AS company_code,
    CAST(e.[Entry No_] AS int) AS entry_no,
    CAST(e.[Document No_] AS nvarchar(20)) AS document_no,
    CAST(e.[Debit Amount] AS decimal(38, 20)) AS amount_lcy
FROM [AIG_Nav_DW].[dbo].[G_L Entries] AS e
WHERE e.[id_company] = N'EC_NG'
    AND e.[Posting Date] < @cutoff
    AND e.[G/L_Account_No] IN (@accounts)
ORDER BY e.[Debit Amount] DESC, e.[Entry No_]
